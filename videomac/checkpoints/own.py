"""Our own layout, mmpretrain's, and that of the released VideoMAC."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from .mapping import SHOWN, Conversion, Row, Rule
from .released_layout import convert_released
from .resnet import RESNET

__all__ = ['ANY', 'HEADS', 'VIDEOMAC_PARTS', 'import_released', 'is_own_key']

#: A checkpoint of ours keeps every key of the encoder, whatever network it is.
ANY = (Rule(r'(.+)', r'\1'),)

HEADS = (
    (
        r'(neck|head|decode_head|auxiliary_head|roi_head|rpn_head|bbox_head)\..*',
        'neck or head of the model around the encoder',
    ),
    (
        r'(enc_dec_norms|enc_dec_projectors|mask_tokens)\..*',
        "between encoder and decoder of mmpretrain's SparK",
    ),
    (r'data_preprocessor\..*', 'mean and std of the pixels'),
)

VIDEOMAC_PARTS = (
    (r'decoder\..*', 'decoder of the pre-training'),
    (r'target\..*', 'target network (the online network was asked for)'),
    (r'encoder\..*', 'online network (the target network was asked for)'),
    *HEADS,
)

_AFFINE = r'(weight|bias)'
_OWN = (
    rf'downsample_layers\.\d+\.[01]\.{_AFFINE}',
    rf'stages\.\d+\.\d+\.(depthwise_conv|norm|pointwise_conv[12])\.{_AFFINE}',
    r'stages\.\d+\.\d+\.(grn\.(gamma|beta)|gamma)',
    rf'norm[0-3]\.{_AFFINE}',
    rf'stem\.[01]\.{_AFFINE}',
    rf'layer[1-4]\.\d+\.(ln[123]|downsample\.1)\.{_AFFINE}',
    r'cls_token|pos_embed',
    rf'patch_embed\.projection\.{_AFFINE}',
    rf'layers\.\d+\.(ln[12]|attn\.(qkv|proj)|ffn\.layers\.(0\.0|1))\.{_AFFINE}',
    rf'ln1\.{_AFFINE}',
    *(rule.pattern for rule in RESNET),
)
_OWN_KEY = re.compile('|'.join(f'({pattern})' for pattern in _OWN))


def is_own_key(name: str) -> bool:
    """Whether a stock ConvNeXt, ResNet or ViT of mmpretrain or a released one has it."""
    return _OWN_KEY.fullmatch(name) is not None


def import_released(state: Mapping[str, Tensor], strict: bool = True) -> Conversion:
    """Take the encoder out of one network of a released VideoMAC checkpoint.

    Args:
        state: ``online_without_ddp`` or ``target_without_ddp``.
        strict: Whether tensors that belong neither to the encoder nor to the decoder are
            an error.

    Returns:
        The encoder in the layout of our released encoders. To load the whole model,
        decoder and target included, use
        :func:`videomac.checkpoints.released_layout.convert_released`.

    Raises:
        ValueError: If tensors are left over.
    """
    moved: dict[str, Tensor] = {}
    rows, left = [], []
    leftover = []
    for name, value in state.items():
        ((new, changed),) = convert_released({name: value}).items()
        inner = new.removeprefix('encoder.')
        shape = tuple(value.shape)
        if new.startswith('encoder.') and is_own_key(inner):
            moved[inner] = changed
            rows.append(Row(name, shape, inner, tuple(changed.shape)))
        elif new.startswith('decoder.'):
            left.append(Row(name, shape, reason='decoder of the pre-training'))
        else:
            leftover.append(f'{name} {list(shape)}')
            left.append(Row(name, shape, reason='unknown to this format'))
    if strict and leftover:
        raise ValueError(
            f'{len(leftover)} tensors of the checkpoint are unknown to the released '
            f'VideoMAC: {", ".join(leftover[:SHOWN])}'
        )
    return Conversion(moved, rows + left)
