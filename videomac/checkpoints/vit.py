"""Vision transformers of images: DINO, MAE and its kin, MoCo v3, timm; DropMAE.

All name their parts as timm does. DropMAE has no class token, though its position
embedding has a row for it, and adds a learnt embedding of the frame, x or z.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from .mapping import Rule

__all__ = ['BLOCKS', 'DROPMAE', 'LEFT_OUT', 'TO_TIMM', 'VIT']

_AFFINE = r'(weight|bias)'
_BLOCK = r'blocks\.(\d+)'

#: What the layouts of image and video networks share.
BLOCKS = (
    Rule(r'cls_token', 'cls_token'),
    Rule(r'patch_embed\.proj\.bias', 'patch_embed.projection.bias'),
    Rule(rf'{_BLOCK}\.norm([12])\.{_AFFINE}', r'layers.\1.ln\2.\3'),
    Rule(rf'{_BLOCK}\.attn\.proj\.{_AFFINE}', r'layers.\1.attn.proj.\2'),
    Rule(rf'{_BLOCK}\.mlp\.fc1\.{_AFFINE}', r'layers.\1.ffn.layers.0.0.\2'),
    Rule(rf'{_BLOCK}\.mlp\.fc2\.{_AFFINE}', r'layers.\1.ffn.layers.1.\2'),
    Rule(rf'norm\.{_AFFINE}', r'ln1.\1'),
)

_IMAGE = (
    *BLOCKS,
    Rule(r'patch_embed\.proj\.weight', 'patch_embed.projection.weight'),
    Rule(rf'{_BLOCK}\.attn\.qkv\.{_AFFINE}', r'layers.\1.attn.qkv.\2'),
)

VIT = (*_IMAGE, Rule(r'pos_embed', 'pos_embed'))


def _frame_position(parts: Mapping[int, Tensor]) -> Tensor:
    """Add the embedding of frame x to the positions, without the class token's row."""
    return parts[0][:, 1:] + parts[1] if 1 in parts else parts[0][:, 1:]


DROPMAE = (
    *_IMAGE,
    Rule(r'pos_embed', 'pos_embed', part=0, join=_frame_position),
    Rule(r'temporal_pos_embed_x', 'pos_embed', part=1, join=_frame_position),
)

LEFT_OUT = (
    (r'(module\.|encoder\.|backbone\.)?(head|head_dist|fc_norm)\..*', 'head'),
    (r'(module\.)?decoder(_\w+)?(\..*)?', 'decoder of the pre-training'),
    (r'(module\.)?(mask_token|encoder_to_decoder\..*)', 'decoder of the pre-training'),
    (r'temporal_pos_embed_z', 'position of the second frame; an image is the first'),
)

_LAYER = r'layers\.(\d+)'
TO_TIMM = (
    Rule(r'cls_token', 'cls_token'),
    Rule(r'pos_embed', 'pos_embed'),
    Rule(rf'patch_embed\.projection\.{_AFFINE}', r'patch_embed.proj.\1'),
    Rule(rf'{_LAYER}\.ln([12])\.{_AFFINE}', r'blocks.\1.norm\2.\3'),
    Rule(rf'{_LAYER}\.attn\.(qkv|proj)\.{_AFFINE}', r'blocks.\1.attn.\2.\3'),
    Rule(rf'{_LAYER}\.ffn\.layers\.0\.0\.{_AFFINE}', r'blocks.\1.mlp.fc1.\2'),
    Rule(rf'{_LAYER}\.ffn\.layers\.1\.{_AFFINE}', r'blocks.\1.mlp.fc2.\2'),
    Rule(rf'ln1\.{_AFFINE}', r'norm.\1'),
)


def joined(parts: Mapping[int, Tensor]) -> Tensor:
    """Stack queries, keys and values; an absent bias of the keys is zero."""
    if 0 not in parts or 2 not in parts:
        raise ValueError('an attention layer has no queries or no values')
    keys = parts.get(1, torch.zeros_like(parts[0]))
    return torch.cat((parts[0], keys, parts[2]))
