"""Small models that the tests share."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.registry import init_default_scope
from torch import nn

from videomac.models import VideoMAC
from videomac.registry import MODELS

SMALL_ARCH = dict(depths=[1, 1, 2, 1], channels=[8, 16, 24, 32])


def config(**changes: Any) -> dict[str, Any]:
    """Config of a VideoMAC small enough for a unit test, with keys replaced."""
    model: dict[str, Any] = dict(
        type='VideoMAC',
        encoder=dict(
            type='mmpretrain.ConvNeXt',
            arch=SMALL_ARCH,
            use_grn=True,
            layer_scale_init_value=0.0,
            gap_before_final_norm=False,
        ),
        masking=dict(type='RandomPatchMasking', patch_size=32, ratio=0.5),
        decoder=dict(type='ConvNeXtDecoder', dim=16, depth=1),
        target=dict(type='EMATarget'),
        consistency_loss=dict(type='ReconstructionConsistencyLoss', weight=1.0),
    )
    return model | changes


def build(**changes: Any) -> VideoMAC:
    """Build the small model with no parameter at a trivial value."""
    init_default_scope('videomac')
    model: VideoMAC = MODELS.build(config(**changes))
    randomise(model)
    return model


@torch.no_grad()
def randomise(network: nn.Module) -> None:
    """Give each parameter a generic value: GRN and layer scale start at zero or near."""
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
        scale = 0.3 if parameter.dim() == 1 else parameter[0].numel() ** -0.5
        parameter.copy_(noise * scale + (1.0 if parameter.dim() == 1 else 0.0))
