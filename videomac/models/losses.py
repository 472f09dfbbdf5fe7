"""The losses of VideoMAC (paper, Eq. 1 and 2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..registry import MODELS
from ..sparse.patch_grid import PatchGrid
from ..sparse.precision import at_least_float32
from .patches import normalize_patches, patchify

__all__ = ['MaskedReconstructionLoss', 'ReconstructionConsistencyLoss']


def _masked_mean(per_patch: Tensor, grid: PatchGrid) -> Tensor:
    """Average values of patches, shape [B, L], over the masked ones."""
    masked = grid.masked.flatten(1).to(per_patch.dtype)
    return (per_patch * masked).sum() / masked.sum()


@MODELS.register_module()
class MaskedReconstructionLoss(nn.Module):
    """Mean over the masked patches of the mean squared pixel error (Eq. 1).

    Args:
        norm_pix: Whether the pixels of each patch are normalised by the patch's own
            mean and standard deviation before they are compared.
    """

    def __init__(self, norm_pix: bool = True) -> None:
        super().__init__()
        self.norm_pix = norm_pix

    def forward(self, prediction: Tensor, images: Tensor, grid: PatchGrid) -> Tensor:
        """Compare a reconstruction with its frame, in float32 at least.

        Args:
            prediction: Shape [B, L, P * P * 3].
            images: Normalised frames, shape [B, 3, H, W].
            grid: The visible patches of the frames.

        Returns:
            Scalar.
        """
        with torch.autocast(images.device.type, enabled=False):
            target = patchify(at_least_float32(images), grid.patch_size)
            if self.norm_pix:
                target = normalize_patches(target)
            error = (at_least_float32(prediction) - target).square().mean(dim=-1)
            return _masked_mean(error, grid)


@MODELS.register_module()
class ReconstructionConsistencyLoss(nn.Module):
    """Mean squared difference of two frames' reconstructions, patch by patch (Eq. 2).

    Args:
        weight: Factor of the loss, gamma in Eq. 3; at least 0.

    Raises:
        ValueError: If the weight is negative.
    """

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        if weight < 0:
            raise ValueError(f'weight must not be negative, got {weight}')
        self.weight = weight

    def forward(self, first: Tensor, second: Tensor, grid: PatchGrid) -> Tensor:
        """Compare two reconstructions, in float32 at least.

        Args:
            first: Reconstruction of frame 1, shape [B, L, P * P * 3].
            second: Reconstruction of frame 2, the same shape.
            grid: The visible patches of frame 1: its masked patches are compared.

        Returns:
            Scalar, the weight included.
        """
        with torch.autocast(first.device.type, enabled=False):
            difference = at_least_float32(first) - at_least_float32(second)
            return self.weight * _masked_mean(difference.square().mean(dim=-1), grid)
