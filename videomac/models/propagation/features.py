"""Features of frames from any network."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from torch import Tensor, nn

from ...checkpoints.pretraining_variant import dense_class
from ...checkpoints.weights import load_weights
from ...registry import MODELS
from ...utils.arguments import check_flags
from ..encoders.output_stride import set_output_stride
from .stages import choose_stages

__all__ = ['FeatureExtractor']


@MODELS.register_module()
class FeatureExtractor(nn.Module):
    """One map of unit-length features from any network, always in eval mode.

    Args:
        network: Config of a network of mmpretrain, timm (``TIMMBackbone``) or
            torchvision (:class:`TorchvisionBackbone`), or of a registered one that
            returns maps [B, C, h, w]. It is built as it was trained; what follows is
            done to it after its weights are loaded. Or a network that is built and has
            its weights, which is changed in place.
        checkpoint: Path or address of its weights, see :func:`load_weights`; None leaves
            it as its config initialises it.
        prefix: Beginning of its keys in the checkpoint; found out by default.
        out_stage: Stage whose map is returned, in the network's own counting from 0 or
            back from -1; the blocks of a ViT count as stages. Several are resized to the
            finest, each at unit length, and concatenated.
        output_stride: Pixels per cell to bring a ConvNet to; None leaves it.
        dilate: How: whether strides become dilation, or only go.
        final_norm: Whether the norm that the network has after a stage is applied.
        l2: Whether features get unit length, which propagation needs.
        autocast: Type in which the network runs, such as ``'bfloat16'``.

    Raises:
        ValueError: If the checkpoint does not fit, the network has no such stage or
            stride, or masks its input.
    """

    def __init__(
        self,
        network: dict[str, Any] | nn.Module,
        checkpoint: str | None = None,
        prefix: str | None = None,
        out_stage: int | Sequence[int] = -1,
        output_stride: int | None = None,
        dilate: bool = True,
        final_norm: bool = True,
        l2: bool = True,
        autocast: str | None = None,
    ) -> None:
        super().__init__()
        check_flags(dilate=dilate, final_norm=final_norm, l2=l2)
        self.l2 = l2
        stages = [out_stage] if isinstance(out_stage, int) else list(out_stage)
        if not stages:
            raise ValueError('out_stage is empty: give at least one stage')
        dtypes = {None: None, 'bfloat16': torch.bfloat16, 'float16': torch.float16}
        if autocast not in dtypes:
            raise ValueError(f'autocast must be one of {list(dtypes)}, got {autocast!r}')
        self.autocast = dtypes[autocast]
        self.network: nn.Module = (
            network if isinstance(network, nn.Module) else MODELS.build(network)
        )
        dense = dense_class(type(self.network))
        if dense is not None:
            raise ValueError(
                f'{type(self.network).__name__} masks its input, for pre-training alone: '
                f'give {dense.__name__} in its place, which has the same tensors'
            )
        if checkpoint is not None:
            load_weights(self.network, checkpoint, prefix)
        elif not isinstance(network, nn.Module):
            initialise: Any = getattr(self.network, 'init_weights', None)
            if initialise is not None:
                initialise()
            print_log(
                f'No checkpoint: {type(self.network).__name__} has the weights that its '
                'own config gives it',
                logger='current',
                level=logging.WARNING,
            )
        self._maps = choose_stages(self.network, stages, final_norm)
        if output_stride is not None:
            set_output_stride(self.network, output_stride, dilate)
        self.requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> FeatureExtractor:
        """Stay in eval mode: features are not trained here."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Compute features.

        Args:
            images: Normalised frames, [B, 3, H, W].

        Returns:
            float32 [B, C, h, w], of unit length over C unless ``l2`` is off.

        Raises:
            ValueError: If the network does not return such maps.
        """
        dtype = self.autocast or torch.float32
        with torch.autocast(images.device.type, dtype, enabled=bool(self.autocast)):
            maps = [each.float() for each in self._maps(self.network, images)]
        if len(maps) > 1:
            size = max((each.shape[-2:] for each in maps), key=lambda s: s.numel())
            maps = [F.interpolate(F.normalize(m), size, mode='bilinear') for m in maps]
        features = torch.cat(maps, 1)
        return F.normalize(features) if self.l2 else features
