"""Vision transformers of videos, MAE-ST and VideoMAE, as networks of single images.

The image stands for a clip of one tubelet: as many equal frames as the patch embedding is
long, at the first position in time. So the kernel is summed over time, and the position
embedding is that of the first tubelet; the features equal the video network's.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from .mapping import Rule
from .vit import BLOCKS, joined

__all__ = ['MAE_ST', 'VIDEOMAE', 'sinusoid']


def _sum_over_time(kernel: Tensor) -> Tensor:
    """Make [C, 3, p, p] of [C, 3, t, p, p]."""
    return kernel.sum(2)


def _first_position(parts: Mapping[int, Tensor]) -> Tensor:
    """Class token's embedding, then those of space plus that of the first tubelet."""
    if 1 not in parts or 2 not in parts:
        raise ValueError('pos_embed_spatial or pos_embed_temporal is not there')
    patches = parts[1] + parts[2][:, :1]
    return torch.cat((parts[0], patches), 1) if 0 in parts else patches


_EMBED = Rule(
    r'patch_embed\.proj\.weight', 'patch_embed.projection.weight', _sum_over_time
)
_POSITIONS = ('class', 'spatial', 'temporal')

MAE_ST = (
    *BLOCKS,
    _EMBED,
    *(
        Rule(f'pos_embed_{name}', 'pos_embed', part=i, join=_first_position)
        for i, name in enumerate(_POSITIONS)
    ),
    *(
        Rule(
            rf'blocks\.(\d+)\.attn\.{name}\.(weight|bias)',
            r'layers.\1.attn.qkv.\2',
            part=i,
            join=joined,
        )
        for i, name in enumerate('qkv')
    ),
)

VIDEOMAE = (
    *BLOCKS,
    _EMBED,
    Rule(r'blocks\.(\d+)\.attn\.qkv\.weight', r'layers.\1.attn.qkv.weight'),
    *(
        Rule(
            rf'blocks\.(\d+)\.attn\.{name}_bias',
            r'layers.\1.attn.qkv.bias',
            part=i,
            join=joined,
        )
        for i, name in ((0, 'q'), (2, 'v'))
    ),
)


def sinusoid(
    state: Mapping[str, Tensor], image_size: int
) -> dict[str, tuple[Tensor, str]]:
    """Make VideoMAE's position embedding, which its checkpoints do not hold.

    Position n, channel j: sine (even j) or cosine (odd j) of
    n / 10000^(2 floor(j / 2) / C), Vaswani et al. 2017, Section 3.5. The first tubelet
    has the positions from 0 on.

    Args:
        state: State dict in the layout of mmpretrain.
        image_size: Height and width in pixels.

    Returns:
        ``pos_embed`` [1, N, C] with the reason.

    Raises:
        ValueError: If the image is no whole number of patches high, or the patch
            embedding is missing.
    """
    if 'patch_embed.projection.weight' not in state:
        raise ValueError('the patch embedding is missing: patch_embed.proj.weight')
    kernel = state['patch_embed.projection.weight']
    width, patch = len(kernel), kernel.shape[-1]
    if image_size % patch:
        raise ValueError(
            f'an image of {image_size} pixels is not a multiple of patches of {patch}'
        )
    positions = torch.arange((image_size // patch) ** 2, dtype=torch.float64)
    channels = torch.arange(width, dtype=torch.float64)
    angles = positions[:, None] / 10000 ** (2 * (channels // 2) / width)
    table = torch.where(channels % 2 == 0, angles.sin(), angles.cos())
    why = f'sine and cosine of the first tubelet, {image_size} pixels'
    return {'pos_embed': (table[None].to(kernel.dtype), why)}
