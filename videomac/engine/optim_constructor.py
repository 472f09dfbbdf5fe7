"""Builds the optimiser for the parameters that are trained."""

from __future__ import annotations

import logging
from typing import Any

from mmengine.logging import print_log
from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from ..registry import OPTIM_WRAPPER_CONSTRUCTORS
from ..utils.quiet import quiet_log

__all__ = ['TrainableOptimWrapperConstructor', 'merge_groups']


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class TrainableOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """mmengine's default constructor with frozen parameters left out.

    Frozen networks (the target) never enter the optimiser, and a weight that two layers
    share enters it once, with the options of the first. Parameters that share their
    options form one group, so that fused optimisers update them together, and one log
    line describes a group, where the default writes several for every parameter. All
    options of ``paramwise_cfg`` work as in mmengine.
    """

    def add_params(
        self,
        params: list[dict[str, Any]],
        module: nn.Module,
        prefix: str = '',
        is_dcn_module: float | None = None,
    ) -> None:
        """Collect the trainable parameters of a module in groups of equal options."""
        if prefix:  # the recursion into children
            super().add_params(params, module, prefix, is_dcn_module)
            return
        with quiet_log(logging.WARNING):
            super().add_params(params, module, prefix, is_dcn_module)
        params[:] = merge_groups(params)
        for group in params:
            options = {key: value for key, value in group.items() if key != 'params'}
            count = sum(p.numel() for p in group['params'])
            print_log(
                f'optimiser group: {len(group["params"])} tensors, {count:,} parameters'
                f'{f", {options}" if options else ""}',
                logger='current',
            )

    def __call__(self, model: nn.Module) -> Any:
        """Build the optimiser wrapper around an optimiser for the model."""
        # Without any option mmengine would take model.parameters(), frozen ones too.
        if not self.paramwise_cfg:
            self.paramwise_cfg: dict[str, Any] = dict(bypass_duplicate=False)
        return super().__call__(model)


def _without_repeats(params: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep the first of the groups of a parameter that layers share.

    Args:
        params: Groups of one parameter each.
    """
    # Backwards, so that the first one stays.
    first = {id(group['params'][0]): group for group in reversed(params)}
    return [group for group in params if first[id(group['params'][0])] is group]


def merge_groups(params: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join parameter groups of equal options, in the order of the first of each.

    Args:
        params: Groups of one parameter each. Their names, if they have one, are no
            option and are left out.

    Returns:
        Groups that differ in their options, with each parameter in one of them: that of
        its first name where layers share it.
    """
    merged: dict[str, dict[str, Any]] = {}
    for group in _without_repeats(params):
        options = {
            key: value
            for key, value in group.items()
            if key not in ('params', 'param_name')
        }
        found = merged.setdefault(repr(sorted(options.items())), options | {'params': []})
        found['params'] += group['params']
    return list(merged.values())
