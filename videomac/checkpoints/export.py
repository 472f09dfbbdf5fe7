"""Encoders in the layout of mmpretrain into the layouts of other libraries."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from . import convnext, vit
from .mapping import Conversion, Rule, explaining, translate
from .resnet import RESNET

__all__ = ['TARGETS', 'export_state']

TARGETS = ('encoder', 'backbone', 'timm', 'torchvision', 'convnext')


def _kind(state: Mapping[str, Tensor]) -> str:
    """Name the topology: of another library's network, or none of them."""
    if 'downsample_layers.0.0.weight' in state:
        stock = 'norm0.weight' not in state and 'stages.3.0.norm.weight' in state
        return 'ConvNeXt' if stock else 'released or isotropic ConvNeXt'
    if 'layer1.0.conv1.weight' in state:
        return 'ResNet' if 'layer1.0.bn1.weight' in state else 'released ResNet'
    if 'patch_embed.projection.weight' in state:
        return 'ViT'
    return 'network of another kind'


def _rules(state: Mapping[str, Tensor], target: str) -> tuple[Rule, ...] | None:
    kind = _kind(state)
    if target == 'timm' and kind == 'ConvNeXt':
        return convnext.to_timm(dict(state))
    if target == 'timm' and kind == 'ViT':
        return vit.TO_TIMM
    if target == 'convnext' and kind == 'ConvNeXt':
        return convnext.to_facebook()
    if target in ('timm', 'torchvision') and kind == 'ResNet':
        return RESNET
    return None


@explaining('writing the layout')
def export_state(state: Mapping[str, Tensor], target: str) -> Conversion:
    """Rename the tensors of an encoder for another library, every one of them.

    Args:
        state: State dict in the layout of mmpretrain.
        target: ``'encoder'``: unchanged; ``'backbone'``: with the prefix that mmpretrain,
            mmdet and mmseg load; ``'timm'``: ConvNeXt, ResNet or ViT without classifier;
            ``'torchvision'``: ResNet without classifier; ``'convnext'``: the layout of
            facebookresearch.

    Returns:
        The state dict and what became of every tensor.

    Raises:
        ValueError: If there is no such target, or the library has no such network.
    """
    if target not in TARGETS:
        raise ValueError(f"there is no target '{target}'; there are {', '.join(TARGETS)}")
    if target == 'encoder':
        return translate(state, (Rule('(.+)', r'\1'),))
    if target == 'backbone':
        return translate(state, (Rule('(.+)', r'backbone.\1'),))
    rules = _rules(state, target)
    if rules is None:
        raise ValueError(f"the layout '{target}' has no place for a {_kind(state)}")
    return translate(state, rules)
