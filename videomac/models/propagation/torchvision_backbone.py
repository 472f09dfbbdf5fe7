"""Networks of torchvision as backbones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torchvision
from mmpretrain.models.utils import resize_pos_embed
from torch import Tensor, nn
from torchvision.models import SwinTransformer, VisionTransformer

from ...registry import MODELS

__all__ = ['TorchvisionBackbone']

RESNET_NODES = ('layer1', 'layer2', 'layer3', 'layer4')
SWIN_NODES = ('features.1', 'features.3', 'features.5', 'features.7')
VIT_NODES = ('encoder.ln',)


@MODELS.register_module()
class TorchvisionBackbone(nn.Module):
    """Feature maps from inside a classifier of torchvision.

    Parameters have torchvision's own names, so that its checkpoints fit. ViTs give the
    map of their patch tokens, and take images of any size: their embeddings of places
    are resized by bicubic interpolation.

    Args:
        name: Name of the model, such as ``'resnet50'``.
        nodes: Modules whose outputs are the stages, such as ``'features.7'``; by default
            the stages of a ResNet or Swin transformer, or the last block of a ViT with
            its norm. Maps of Swin transformers have channels last inside; they are
            turned.
        kwargs: Further arguments of the model, such as ``weights='DEFAULT'``.

    Raises:
        ValueError: If the model has no such module.
    """

    def __init__(
        self, name: str, nodes: Sequence[str] | None = None, **kwargs: Any
    ) -> None:
        super().__init__()
        self.model: nn.Module = torchvision.models.get_model(name, **kwargs)
        self.nodes = _default_nodes(self.model) if nodes is None else tuple(nodes)
        known = dict(self.model.named_modules())
        missing = [node for node in self.nodes if node not in known]
        if missing or not self.nodes:
            raise ValueError(
                f'{name!r} of torchvision has no modules {missing}; its parts are '
                f'{[part for part, _ in self.model.named_children()]}'
            )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the maps [B, C, h, w] of the nodes from [B, 3, H, W]."""
        maps: dict[str, Tensor] = {}

        def keep(node: str) -> Any:
            return lambda module, args, out: maps.__setitem__(node, out)

        hooks = [
            self.model.get_submodule(node).register_forward_hook(keep(node))
            for node in self.nodes
        ]
        try:
            if isinstance(self.model, VisionTransformer):
                cells = _run_vit(self.model, x)
                maps = {node: _patches(out, cells) for node, out in maps.items()}
            else:
                self.model(x)
        finally:
            for hook in hooks:
                hook.remove()
        if isinstance(self.model, SwinTransformer):
            turned = [node for node in maps if node.split('.')[0] in ('features', 'norm')]
            maps |= {node: maps[node].permute(0, 3, 1, 2) for node in turned}
        return tuple(maps[node] for node in self.nodes)


def _default_nodes(model: nn.Module) -> tuple[str, ...]:
    """Name the stages of a model whose family is known; of others a ResNet's."""
    if isinstance(model, VisionTransformer):
        return VIT_NODES
    return SWIN_NODES if isinstance(model, SwinTransformer) else RESNET_NODES


def _run_vit(model: VisionTransformer, images: Tensor) -> tuple[int, int]:
    """Run the blocks on images of any size; returns h, w of the patches.

    torchvision's own ``forward`` insists on the size of training.
    """
    patches = model.conv_proj(images)
    cells = (patches.shape[2], patches.shape[3])
    own = model.image_size // model.patch_size
    places = model.encoder.pos_embedding  # [1, 1 + own * own, D]
    places = resize_pos_embed(places, (own, own), cells)
    first = model.class_token.expand(len(images), -1, -1)
    tokens = torch.cat([first, patches.flatten(2).transpose(1, 2)], 1) + places
    model.encoder.ln(model.encoder.layers(model.encoder.dropout(tokens)))
    return cells


def _patches(tokens: Tensor, cells: tuple[int, int]) -> Tensor:
    """Lay out patch tokens, after the class token, as a map; a map stays as it is."""
    if tokens.dim() != 3:
        return tokens
    return tokens[:, 1:].transpose(1, 2).unflatten(2, cells)
