"""Builds an optimiser whose learning rates decay from the head down to the stem."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmengine.logging import print_log
from mmpretrain.engine.optimizers import LearningRateDecayOptimWrapperConstructor
from torch import nn

from ..registry import OPTIM_WRAPPER_CONSTRUCTORS
from .layer_depth import layer_depths
from .optim_constructor import merge_groups

__all__ = ['LayerDecayOptimWrapperConstructor']


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayOptimWrapperConstructor(LearningRateDecayOptimWrapperConstructor):
    """mmpretrain's layer-wise decay for every backbone.

    A parameter in layer l of L has the learning rate ``lr * rate ** (L + 1 - l)``; those
    of neck and head, in layer L + 1, have ``lr`` (Bao et al., BEiT, 2021). The layers are
    found by :func:`layer_depths`, so that nothing is asked of the backbone, and
    parameters with the same options share a group; a weight that two layers share is in
    that of the first. ``paramwise_cfg`` takes what mmpretrain's constructor takes, and:

    - ``blocks_per_layer`` (int): see :func:`layer_depths`. Defaults to 1.
    - ``stem_apart`` (bool): the same. Defaults to False.
    """

    def add_params(
        self,
        params: list[dict[str, Any]],
        module: nn.Module,
        prefix: str = '',
        get_layer_depth: Callable[[str], tuple[int, int]] | None = None,
        **kwargs: Any,
    ) -> None:
        """Collect the parameters of a module with their learning rates."""
        if prefix:  # the recursion into children
            super().add_params(params, module, prefix, get_layer_depth, **kwargs)
            return
        depths, total = layer_depths(
            module.get_submodule('backbone'),
            self.paramwise_cfg.get('blocks_per_layer', 1),
            self.paramwise_cfg.get('stem_apart', False),
        )

        def depth(name: str) -> tuple[int, int]:
            own = name.removeprefix('backbone.')
            inside = name.startswith('backbone.')
            # Only the first name of a weight that layers share has a depth, and counts.
            layer = depths.get(own, total + 1) if inside else total + 1
            # The second is the number of layers with head and layer 0.
            return layer, total + 2

        super().add_params(params, module, prefix, depth, **kwargs)
        params[:] = sorted(merge_groups(params), key=lambda group: group['layer_id'])
        for group in params:
            count = sum(parameter.numel() for parameter in group['params'])
            print_log(
                f'layer {group["layer_id"]}: {len(group["params"])} tensors, {count:,} '
                f'parameters, lr {group["lr"]:.3g} (scale {group["lr_scale"]:.3g}), '
                f'weight decay {group.get("weight_decay", 0):g}',
                logger='current',
            )
