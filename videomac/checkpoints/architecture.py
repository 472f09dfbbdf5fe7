"""Which network a state dict in the layout of mmpretrain belongs to."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..registry import MODELS
from .encoder_part import is_dense, number_of_heads
from .mapping import explaining
from .weights import misfits, misfits_as_text

__all__ = ['check_encoder', 'choose_config', 'encoder_config']

#: Heads of the ViTs whose heads are not 64 channels wide, by width: ViT-H (MAE).
HEADS = {1280: 16}
#: The same for those of MoCo v3: ViT-S. MAE's and DINO's has 6.
MOCO_V3_HEADS = {384: 12}


@explaining('telling the network')
def encoder_config(
    state: Mapping[str, Tensor], num_heads: int | None = None
) -> dict[str, Any] | None:
    """Read the config of the encoder from names and shapes.

    Args:
        state: State dict in the layout of mmpretrain or of our released encoders.
        num_heads: Heads of a ViT, which no shape tells; None: as the published networks
            have, that is 64 channels each, 16 of 80 for ViT-H, and 12 of 32 for the ViT-S
            of MoCo v3, whose position embedding tells it.

    Returns:
        What to give as ``encoder=`` or ``backbone=``; None for networks other than
        ConvNeXt, ResNet and ViT.

    Raises:
        ValueError: If a tensor is missing without which the network cannot be told.
    """
    try:
        if 'downsample_layers.0.0.weight' in state:
            return _convnext(state)
        if 'layer1.0.conv1.weight' in state:
            return _resnet(state)
        if 'patch_embed.projection.weight' in state and 'pos_embed' in state:
            return _vit(state, num_heads)
    except KeyError as error:
        raise ValueError(f'the checkpoint is not whole: {error} is missing') from error
    return None


def choose_config(
    state: Mapping[str, Tensor],
    config: Mapping[str, Any] | None,
    num_heads: int | None = None,
) -> dict[str, Any] | None:
    """Choose what to build for the tensors of an encoder, for whole images.

    Args:
        state: See :func:`encoder_config`.
        config: Of the encoder, given or stored; it counts, unless it is of a network that
            masks its input. None: names and shapes tell the network.
        num_heads: See :func:`encoder_config`.

    Returns:
        The config; None if there is none and the tensors do not tell.

    Raises:
        ValueError: If the config has another number of heads, or a tensor is missing
            without which the network cannot be told.
    """
    told = None if config is None else number_of_heads(config)
    if num_heads and told and num_heads != told:
        raise ValueError(
            f'{num_heads} heads were asked for, and the config of the encoder has {told}'
        )
    if config is not None and is_dense(config):
        return dict(config)
    return encoder_config(state, num_heads or told)


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    """How many different numbers stand in the group of the pattern."""
    found = (re.match(pattern, name) for name in state)
    return len({match[1] for match in found if match})


def _convnext(state: Mapping[str, Tensor]) -> dict[str, Any]:
    stages = _count(state, r'stages\.(\d+)\.')
    depths = [_count(state, rf'stages\.{i}\.(\d+)\.') for i in range(stages)]
    channels = [len(state[f'stages.{i}.0.norm.weight']) for i in range(stages)]
    grn = 'stages.0.0.grn.gamma' in state
    scale = 1e-6 if 'stages.0.0.gamma' in state else 0.0
    patch = state['downsample_layers.0.0.weight'].shape[-1]
    if stages == 1:
        return dict(
            type='IsotropicConvNeXt',
            depth=depths[0],
            dim=channels[0],
            stem_patch_size=patch,
        )
    options: dict[str, Any] = dict(
        arch=dict(depths=depths, channels=channels),
        use_grn=grn,
        layer_scale_init_value=scale,
    )
    if 'norm0.weight' in state:
        return dict(type='ReleasedConvNeXt', **options)
    options |= dict(gap_before_final_norm=False)
    if patch != 4:
        options |= dict(stem_patch_size=patch)
    if stages != 4:  # mmpretrain counts back from the fourth
        options |= dict(out_indices=[stages - 1])
    return dict(type='mmpretrain.ConvNeXt', **options)


def _resnet(state: Mapping[str, Tensor]) -> dict[str, Any] | None:
    counts = [_count(state, rf'layer{i}\.(\d+)\.') for i in range(1, 5)]
    deep = 'layer1.0.conv3.weight' in state
    depths = {
        ((2, 2, 2, 2), False): 18,
        ((3, 4, 6, 3), False): 34,
        ((3, 4, 6, 3), True): 50,
        ((3, 4, 23, 3), True): 101,
        ((3, 8, 36, 3), True): 152,
    }
    key = (counts[0], counts[1], counts[2], counts[3]), deep
    if key not in depths:
        return None
    depth = depths[key]
    released = 'layer1.0.ln1.weight' in state
    return dict(type='ReleasedResNet' if released else 'mmpretrain.ResNet', depth=depth)


def _heads(positions: Tensor, width: int) -> int:
    special = MOCO_V3_HEADS if _is_moco_v3(positions) else HEADS
    return special.get(width, max(1, width // 64))


def _is_moco_v3(positions: Tensor) -> bool:
    """Whether positions, [1, 1 + h * w, C], are the fixed ones of MoCo v3.

    They are MAE's with height and width exchanged: the slower index comes first.
    """
    side = math.isqrt(positions.shape[1] - 1)
    quarter = positions.shape[2] // 4
    if positions.shape != (1, 1 + side**2, 4 * quarter) or side < 2:
        return False
    rates = 10000.0 ** -(torch.arange(quarter) / max(quarter, 1))
    angles = torch.arange(side)[:, None] * rates
    table = torch.cat((angles.sin(), angles.cos()), dim=1)
    expected = torch.cat((table.repeat_interleave(side, 0), table.repeat(side, 1)), dim=1)
    return torch.allclose(positions[0, 1:].float(), expected, atol=1e-2)


def _vit(state: Mapping[str, Tensor], num_heads: int | None) -> dict[str, Any]:
    kernel = state['patch_embed.projection.weight']
    width, patch = len(kernel), kernel.shape[-1]
    cls_token = 'cls_token' in state
    side = math.isqrt(state['pos_embed'].shape[1] - cls_token)
    return dict(
        type='mmpretrain.VisionTransformer',
        arch=dict(
            embed_dims=width,
            num_layers=_count(state, r'layers\.(\d+)\.'),
            num_heads=num_heads or _heads(state['pos_embed'], width),
            feedforward_channels=len(state['layers.0.ffn.layers.0.0.bias']),
        ),
        img_size=side * patch,
        patch_size=patch,
        out_type='featmap',
        with_cls_token=cls_token,
        qkv_bias='layers.0.attn.qkv.bias' in state,
        final_norm='ln1.weight' in state,
    )


@explaining('building the network')
def check_encoder(state: Mapping[str, Tensor], config: Mapping[str, Any]) -> None:
    """Build the network and compare its keys and shapes with a state dict.

    Args:
        state: State dict of an encoder, or of another model.
        config: Its config, see :func:`encoder_config`.

    Raises:
        ValueError: If keys are missing, too many, or of another shape; it lists them.
    """
    found = misfits(MODELS.build(dict(config)), state)
    if any(found.values()):
        raise ValueError(
            f'the tensors do not make a {config["type"]}:\n{misfits_as_text(found)}'
        )
