"""Interchangeable ways to run a stock ConvNet on visible patches only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..registry import MODELS
from . import masked_ops, ops, view_ops  # noqa: F401  (they fill the tables)
from .autograd_functions import refuse_autograd_functions
from .checkpointing import checkpoint_sparse_maps
from .masked_tensor import MaskedTensor
from .minkowski import MinkowskiMap, load_engine
from .module_path import module_path
from .patch_grid import PatchGrid
from .patch_tensor import PatchTensor
from .sparse_map import SparseMap, UnsupportedOperationError
from .sync_norm import sync_batch_norms

__all__ = ['MaskedDense', 'Minkowski', 'PatchSparse', 'SparseBackend']


class SparseBackend(ABC):
    """Runs an encoder on the visible patches of images."""

    @abstractmethod
    def sparsify(self, images: Tensor, grid: PatchGrid) -> SparseMap:
        """Make the sparse map of images of shape [B, 3, H, W]."""

    def encode(self, encoder: nn.Module, images: Tensor, grid: PatchGrid) -> Tensor:
        """Encode the visible patches.

        Args:
            encoder: Any ConvNet made of supported operations. Of several feature maps
                the last one counts.
            images: Shape [B, 3, H, W].
            grid: The visible patches.

        Returns:
            Latent of shape [B, C, h, w], zero at masked cells.

        Raises:
            UnsupportedOperationError: If the encoder uses an operation that has no
                exact sparse meaning.
            TypeError: If the encoder returns no feature map.
            RuntimeError: If gradients were lost on the way through the encoder.
        """
        features: Any = self._run(encoder, self.sparsify(images, grid))
        if isinstance(features, Sequence) and features:
            features = features[-1]
        if isinstance(features, SparseMap) and features.padding:
            raise UnsupportedOperationError.of(
                'pad', features, 'it is the last operation'
            )
        if not isinstance(features, SparseMap):
            shape = tuple(features.shape) if isinstance(features, Tensor) else features
            raise TypeError(
                f'the encoder {type(encoder).__name__} must return a feature map, but '
                f'returned {type(features).__name__} {shape}. Switch off its pooling and '
                'head (for mmpretrain.ConvNeXt: gap_before_final_norm=False).'
            )
        latent = features.dense()
        trains = any(p.requires_grad for p in encoder.parameters())
        if torch.is_grad_enabled() and trains and not latent.requires_grad:
            raise RuntimeError(
                f'the gradient was lost inside {type(encoder).__name__}: it runs part of '
                'itself without autograd (an own gradient checkpointing?)'
            )
        return latent

    @staticmethod
    def _run(encoder: nn.Module, x: SparseMap) -> Any:
        """Run the encoder; where an operation fails say in which of its modules."""
        with checkpoint_sparse_maps(), sync_batch_norms(), refuse_autograd_functions():
            try:
                return encoder(x)
            except (UnsupportedOperationError, ValueError) as error:
                path = module_path(encoder, error.__traceback__)
                if path is not None and len(error.args) == 1:
                    error.args = (f'{error} This was in {path} of the encoder.',)
                raise


@MODELS.register_module()
class PatchSparse(SparseBackend):
    """Compute on the visible patches alone (:class:`PatchTensor`); the default."""

    def sparsify(self, images: Tensor, grid: PatchGrid) -> PatchTensor:
        """Make the sparse map of images of shape [B, 3, H, W]."""
        return PatchTensor.from_dense(images, grid)


@MODELS.register_module()
class MaskedDense(SparseBackend):
    """Compute densely and zero what is masked: the slow, readable reference."""

    def sparsify(self, images: Tensor, grid: PatchGrid) -> MaskedTensor:
        """Make the sparse map of images of shape [B, 3, H, W]."""
        return MaskedTensor.from_dense(images, grid)


@MODELS.register_module()
class Minkowski(SparseBackend):
    """Compute with MinkowskiEngine (:class:`MinkowskiMap`), for comparison, on the CPU.

    Raises:
        ImportError: If MinkowskiEngine is not installed: ``make minkowski`` builds it.
    """

    def __init__(self) -> None:
        load_engine()  # better now than at the first batch

    def sparsify(self, images: Tensor, grid: PatchGrid) -> MinkowskiMap:
        """Make the sparse map of images of shape [B, 3, H, W]."""
        return MinkowskiMap.from_dense(images, grid)
