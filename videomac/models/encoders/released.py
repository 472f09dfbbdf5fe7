"""Encoders with the topology of the released VideoMAC code.

They differ from the networks that the paper names; docs/design/released_models.md lists
how. Checkpoints of the released code load through
:func:`videomac.checkpoints.released_layout.convert_released`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmpretrain.models import ConvNeXt, ResNet
from mmpretrain.models.backbones.convnext import ConvNeXtBlock
from mmpretrain.models.backbones.resnet import ResLayer
from mmpretrain.models.utils import GRN, LayerNorm2d
from torch import nn

from ...registry import MODELS
from ...sparse import SparseMap

__all__ = [
    'BatchGRN',
    'ReleasedConvNeXt',
    'ReleasedResNet',
    'build_with_batch_grn',
    'use_batch_grn',
]


class BatchGRN(GRN):
    """GRN whose norm on a sparse map runs over the visible cells of the whole batch.

    So the released sparse encoder computes it. On dense tensors it is the ordinary GRN
    of each image.
    """

    def forward(self, x: Any, data_format: str = 'channel_first') -> Any:
        """Normalise the responses of the channels, as ConvNeXt V2, Algorithm 1."""
        if not isinstance(x, SparseMap):
            return super().forward(x, data_format)
        last = data_format == 'channel_last'
        response = torch.norm(x, p=2, dim=(0, 1, 2) if last else (0, 2, 3), keepdim=True)
        scale = response / (response.mean(dim=-1 if last else 1, keepdim=True) + self.eps)
        gamma, beta = (p.view_as(response) for p in (self.gamma, self.beta))
        return gamma * (x * scale) + beta + x


def use_batch_grn(network: nn.Module) -> None:
    """Give every ConvNeXt block of a network the batch form of GRN, parameters kept."""
    for block in network.modules():
        if isinstance(block, ConvNeXtBlock) and block.grn is not None:
            block.grn.__class__ = BatchGRN


@MODELS.register_module('WithBatchGRN')
def build_with_batch_grn(encoder: Mapping[str, Any]) -> nn.Module:
    """Build a ConvNeXt V2 of mmpretrain with the batch form of GRN, for configs.

    Args:
        encoder: Config of the encoder, whose class and parameters' names stay.

    Raises:
        ValueError: If the encoder has no block with GRN.
    """
    network: nn.Module = MODELS.build(dict(encoder))
    use_batch_grn(network)
    if not any(isinstance(module, BatchGRN) for module in network.modules()):
        raise ValueError(
            f'WithBatchGRN: {type(network).__name__} has no ConvNeXt block with GRN; '
            'set use_grn=True'
        )
    return network


@MODELS.register_module()
class ReleasedConvNeXt(ConvNeXt):
    """ConvNeXt V1 or V2 with a LayerNorm after every stage, which is fed forward.

    Args:
        arch: Name or dict of depths and channels, as in mmpretrain's ConvNeXt.
        use_grn: Whether the blocks have GRN: True for V2, False for V1.
        layer_scale_init_value: Initial layer scale; the released V1 has none either.
        batch_grn: Whether GRN on sparse maps sums over the visible cells of the whole
            batch, as the released code does; False: of each sample, as dense GRN does.
        drop_path_rate: Stochastic depth rate.
        out_indices: Stages whose output is returned.
        with_cp: Whether blocks are checkpointed to save memory.
        init_cfg: Initialisation; mmpretrain's for ConvNeXt by default.
    """

    def __init__(
        self,
        arch: str | Mapping[str, Sequence[int]] = 'small',
        use_grn: bool = True,
        layer_scale_init_value: float = 0.0,
        batch_grn: bool = False,
        drop_path_rate: float = 0.0,
        out_indices: Sequence[int] = (3,),
        with_cp: bool = False,
        init_cfg: Any = None,
    ) -> None:
        super().__init__(
            arch=arch,
            use_grn=use_grn,
            layer_scale_init_value=layer_scale_init_value,
            drop_path_rate=drop_path_rate,
            out_indices=(0, 1, 2, 3),  # makes a norm for every stage
            gap_before_final_norm=False,
            with_cp=with_cp,
            **(dict(init_cfg=init_cfg) if init_cfg is not None else {}),
        )
        self.returned = tuple(out_indices)
        if batch_grn:
            use_batch_grn(self)

    def forward(self, x: Any) -> tuple[Any, ...]:
        """Compute the normed feature maps of the stages in ``out_indices``."""
        outs = []
        for i, (down, stage) in enumerate(
            zip(self.downsample_layers, self.stages, strict=True)
        ):
            x = getattr(self, f'norm{i}')(stage(down(x)))
            outs.append(x)
        return tuple(outs[i] for i in self.returned)


@MODELS.register_module()
class ReleasedResNet(ResNet):
    """The released "ResNet": a ConvNeXt stem, LayerNorm for BatchNorm, GELU for ReLU.

    No max-pooling, no biases in the convolutions except the stem's, no final norm.

    Args:
        depth: 18 or 50 in the released code; 34, 101 and 152 work too.
        out_indices: Stages whose output is returned.
        drop_path_rate: Stochastic depth rate.
        with_cp: Whether blocks are checkpointed to save memory.
        init_cfg: Initialisation; truncated normal (std 0.02) by default.
    """

    def __init__(
        self,
        depth: int = 50,
        out_indices: Sequence[int] = (3,),
        drop_path_rate: float = 0.0,
        with_cp: bool = False,
        init_cfg: Any = None,
    ) -> None:
        super().__init__(
            depth=depth,
            out_indices=out_indices,
            deep_stem=True,  # the branch whose forward is stem -> maxpool
            norm_cfg=dict(type=LayerNorm2d, eps=1e-6),
            zero_init_residual=False,
            drop_path_rate=drop_path_rate,
            with_cp=with_cp,
            init_cfg=init_cfg
            or [dict(type='TruncNormal', layer=['Conv2d'], std=0.02, bias=0.0)],
        )

    def _make_stem_layer(self, in_channels: int, stem_channels: int) -> None:
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, stem_channels, kernel_size=4, stride=4),
            LayerNorm2d(stem_channels, eps=1e-6),
        )
        self.maxpool = nn.Identity()

    def make_res_layer(self, **kwargs: Any) -> ResLayer:
        """Make a stage whose blocks use GELU."""
        stage = ResLayer(**kwargs)
        for block in stage:
            block.relu = nn.GELU()
        return stage
