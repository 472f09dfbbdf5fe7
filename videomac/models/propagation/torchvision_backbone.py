"""Networks of torchvision as backbones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torchvision
from torch import Tensor, nn

from ...registry import MODELS

__all__ = ['TorchvisionBackbone']


@MODELS.register_module()
class TorchvisionBackbone(nn.Module):
    """Feature maps from inside a classifier of torchvision.

    Parameters have torchvision's own names, so that its checkpoints fit.

    Args:
        name: Name of the model, such as ``'resnet50'``.
        nodes: Modules whose outputs are the stages, such as ``'features.7'``; the
            stages of a ResNet by default.
        kwargs: Further arguments of the model, such as ``weights='DEFAULT'``.

    Raises:
        ValueError: If the model has no such module.
    """

    def __init__(
        self,
        name: str,
        nodes: Sequence[str] = ('layer1', 'layer2', 'layer3', 'layer4'),
        **kwargs: Any,
    ) -> None:
        super().__init__()
        self.nodes = tuple(nodes)
        self.model: nn.Module = torchvision.models.get_model(name, **kwargs)
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
            self.model(x)
        finally:
            for hook in hooks:
                hook.remove()
        return tuple(maps[node] for node in self.nodes)
