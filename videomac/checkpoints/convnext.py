"""ConvNeXt V1 and V2: layouts of facebookresearch (dense and FCMAE), timm, torchvision.

A block of every layout is depthwise 7x7 convolution, norm, linear layer, GELU, GRN (V2),
linear layer, layer scale (V1). The layouts differ in names, and in the shapes of GRN, of
layer scale, and of the linear layers, which may be 1x1 convolutions.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from .mapping import Rule, State
from .released_layout import convert_kernel

__all__ = [
    'FACEBOOK',
    'FCMAE',
    'HEADS',
    'TIMM',
    'TORCHVISION',
    'final_norm',
    'to_facebook',
    'to_timm',
]

#: timm's networks narrower than this have 1x1 convolutions for linear layers.
LINEAR_FROM = 96
_AFFINE = r'(weight|bias)'
_BLOCK = r'stages\.(\d+)\.(\d+)'

HEADS = ((r'(module\.)?head\.(fc\.)?(weight|bias)', 'classification head'),)


def _matrix(value: Tensor) -> Tensor:
    """Make [C_out, C_in] of [C_out, C_in, 1, 1]; leave biases alone."""
    return value.flatten(1) if value.dim() == 4 else value


def _dense(value: Tensor) -> Tensor:
    return convert_kernel(value, depthwise=False)


def _depthwise(value: Tensor) -> Tensor:
    return convert_kernel(value, depthwise=True)


FACEBOOK = (
    Rule(rf'downsample_layers\.(\d+)\.([01])\.{_AFFINE}', r'downsample_layers.\1.\2.\3'),
    Rule(rf'{_BLOCK}\.dwconv\.{_AFFINE}', r'stages.\1.\2.depthwise_conv.\3'),
    Rule(rf'{_BLOCK}\.norm\.{_AFFINE}', r'stages.\1.\2.norm.\3'),
    Rule(
        rf'{_BLOCK}\.pwconv([12])\.{_AFFINE}',
        r'stages.\1.\2.pointwise_conv\3.\4',
        _matrix,
    ),
    Rule(rf'{_BLOCK}\.grn\.(gamma|beta)', r'stages.\1.\2.grn.\3', torch.flatten),
    Rule(rf'{_BLOCK}\.gamma', r'stages.\1.\2.gamma', torch.flatten),
    Rule(rf'norm\.{_AFFINE}', r'norm3.\1'),
    Rule(rf'norm([0-3])\.{_AFFINE}', r'norm\1.\2'),
)

#: Sparse kernels; see :mod:`videomac.checkpoints.released_layout`.
FCMAE = (
    Rule(rf'downsample_layers\.0\.([01])\.{_AFFINE}', r'downsample_layers.0.\1.\2'),
    Rule(rf'downsample_layers\.([1-3])\.0\.ln\.{_AFFINE}', r'downsample_layers.\1.0.\2'),
    Rule(
        r'downsample_layers\.([1-3])\.1\.kernel', r'downsample_layers.\1.1.weight', _dense
    ),
    Rule(
        r'downsample_layers\.([1-3])\.1\.bias',
        r'downsample_layers.\1.1.bias',
        torch.flatten,
    ),
    Rule(rf'{_BLOCK}\.dwconv\.kernel', r'stages.\1.\2.depthwise_conv.weight', _depthwise),
    Rule(rf'{_BLOCK}\.dwconv\.bias', r'stages.\1.\2.depthwise_conv.bias', torch.flatten),
    Rule(rf'{_BLOCK}\.norm\.ln\.{_AFFINE}', r'stages.\1.\2.norm.\3'),
    Rule(
        rf'{_BLOCK}\.pwconv([12])\.linear\.{_AFFINE}',
        r'stages.\1.\2.pointwise_conv\3.\4',
    ),
    Rule(rf'{_BLOCK}\.grn\.(gamma|beta)', r'stages.\1.\2.grn.\3', torch.flatten),
)

_TIMM_BLOCK = r'stages\.(\d+)\.blocks\.(\d+)'
TIMM = (
    Rule(rf'stem\.([01])\.{_AFFINE}', r'downsample_layers.0.\1.\2'),
    Rule(rf'stages\.(\d+)\.downsample\.([01])\.{_AFFINE}', r'downsample_layers.\1.\2.\3'),
    Rule(rf'{_TIMM_BLOCK}\.conv_dw\.{_AFFINE}', r'stages.\1.\2.depthwise_conv.\3'),
    Rule(rf'{_TIMM_BLOCK}\.norm\.{_AFFINE}', r'stages.\1.\2.norm.\3'),
    Rule(
        rf'{_TIMM_BLOCK}\.mlp\.fc([12])\.{_AFFINE}',
        r'stages.\1.\2.pointwise_conv\3.\4',
        _matrix,
    ),
    Rule(rf'{_TIMM_BLOCK}\.mlp\.grn\.weight', r'stages.\1.\2.grn.gamma'),
    Rule(rf'{_TIMM_BLOCK}\.mlp\.grn\.bias', r'stages.\1.\2.grn.beta'),
    Rule(rf'{_TIMM_BLOCK}\.gamma', r'stages.\1.\2.gamma'),
    Rule(rf'head\.norm\.{_AFFINE}', r'norm3.\1'),
)


def _torchvision_rules() -> tuple[Rule, ...]:
    """Stage i is features.2i+1, the down-sampling before it features.2i."""
    rules = []
    layers = {0: 'depthwise_conv', 2: 'norm', 3: 'pointwise_conv1', 5: 'pointwise_conv2'}
    for i in range(4):
        rules.append(
            Rule(
                rf'features\.{2 * i}\.([01])\.{_AFFINE}',
                rf'downsample_layers.{i}.\1.\2',
            )
        )
        block = rf'features\.{2 * i + 1}\.(\d+)'
        rules += [
            Rule(rf'{block}\.block\.{number}\.{_AFFINE}', rf'stages.{i}.\1.{name}.\2')
            for number, name in layers.items()
        ]
        rules.append(
            Rule(rf'{block}\.layer_scale', rf'stages.{i}.\1.gamma', torch.flatten)
        )
    rules.append(Rule(rf'classifier\.0\.{_AFFINE}', r'norm3.\1'))
    return tuple(rules)


TORCHVISION = _torchvision_rules()


def final_norm(state: Mapping[str, Tensor]) -> dict[str, tuple[Tensor, str]]:
    """Make the final norm that FCMAE does not train and stock ConvNeXt has.

    Args:
        state: State dict in the layout of mmpretrain.

    Returns:
        Weight of ones and bias of zeros, with the reason; nothing if it is there.

    Raises:
        ValueError: If the last stage is missing.
    """
    if 'norm3.weight' in state:
        return {}
    if 'stages.3.0.norm.weight' not in state:
        raise ValueError('the last of four stages is missing: stages.3.0.norm.weight')
    like = state['stages.3.0.norm.weight']
    why = 'the checkpoint has no final norm; as at initialisation'
    return {
        'norm3.weight': (torch.ones_like(like), why),
        'norm3.bias': (torch.zeros_like(like), why),
    }


def _grn(value: Tensor) -> Tensor:
    return value[None, None, None]


_OUR_BLOCK = r'stages\.(\d+)\.(\d+)'


def to_facebook() -> tuple[Rule, ...]:
    """Rules from the layout of mmpretrain to that of facebookresearch."""
    return (
        Rule(
            rf'downsample_layers\.(\d+)\.([01])\.{_AFFINE}', r'downsample_layers.\1.\2.\3'
        ),
        Rule(rf'{_OUR_BLOCK}\.depthwise_conv\.{_AFFINE}', r'stages.\1.\2.dwconv.\3'),
        Rule(rf'{_OUR_BLOCK}\.norm\.{_AFFINE}', r'stages.\1.\2.norm.\3'),
        Rule(
            rf'{_OUR_BLOCK}\.pointwise_conv([12])\.{_AFFINE}', r'stages.\1.\2.pwconv\3.\4'
        ),
        Rule(rf'{_OUR_BLOCK}\.grn\.(gamma|beta)', r'stages.\1.\2.grn.\3', _grn),
        Rule(rf'{_OUR_BLOCK}\.gamma', r'stages.\1.\2.gamma'),
        Rule(rf'norm3\.{_AFFINE}', r'norm.\1'),
    )


def to_timm(state: State) -> tuple[Rule, ...]:
    """Rules from the layout of mmpretrain to that of timm's network of this width.

    Args:
        state: State dict in the layout of mmpretrain.
    """
    width = len(state['downsample_layers.0.0.weight'])

    def linear(value: Tensor) -> Tensor:
        as_conv = value.dim() == 2 and width < LINEAR_FROM
        return value[:, :, None, None] if as_conv else value

    return (
        Rule(rf'downsample_layers\.0\.([01])\.{_AFFINE}', r'stem.\1.\2'),
        Rule(
            rf'downsample_layers\.([1-3])\.([01])\.{_AFFINE}',
            r'stages.\1.downsample.\2.\3',
        ),
        Rule(
            rf'{_OUR_BLOCK}\.depthwise_conv\.{_AFFINE}', r'stages.\1.blocks.\2.conv_dw.\3'
        ),
        Rule(rf'{_OUR_BLOCK}\.norm\.{_AFFINE}', r'stages.\1.blocks.\2.norm.\3'),
        Rule(
            rf'{_OUR_BLOCK}\.pointwise_conv([12])\.{_AFFINE}',
            r'stages.\1.blocks.\2.mlp.fc\3.\4',
            linear,
        ),
        Rule(rf'{_OUR_BLOCK}\.grn\.gamma', r'stages.\1.blocks.\2.mlp.grn.weight'),
        Rule(rf'{_OUR_BLOCK}\.grn\.beta', r'stages.\1.blocks.\2.mlp.grn.bias'),
        Rule(rf'{_OUR_BLOCK}\.gamma', r'stages.\1.blocks.\2.gamma'),
        Rule(rf'norm3\.{_AFFINE}', r'head.norm.\1'),
    )
