"""Scaling and shifting of channels, put off until somebody reads the values."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..patch_tensor import PatchTensor, implements
from ..sparse_map import Handler
from . import elementwise  # noqa: F401  (its handlers do what is not put off)

__all__ = ['add', 'mul']

_add, _mul = (PatchTensor.handlers[name] for name in ('add', 'mul'))


def _channels(x: PatchTensor, other: Any) -> Tensor | None:
    """Bring a tensor with one value for each channel to the shape [1 or B, 1, 1, C].

    Returns:
        None if the other operand is none such: a number, a map, values of each cell.
    """
    if not (isinstance(other, Tensor) and other.is_floating_point()):
        return None
    if not x.values.is_floating_point() or not 1 <= other.dim() <= 4:
        return None
    full = other.reshape((1,) * (4 - other.dim()) + tuple(other.shape))
    full = full if x.channels_last else full.permute(0, 2, 3, 1)
    fits = full.shape[0] in (1, x.grid.batch_size) and full.shape[3] == x.channels
    return full if fits and full.shape[1] == full.shape[2] == 1 else None


def _ordered(first: Any, second: Any) -> tuple[PatchTensor, Any]:
    for operand in (first, second):
        if isinstance(operand, PatchTensor):
            operand.settle()
    return (first, second) if isinstance(first, PatchTensor) else (second, first)


@implements('mul')
def mul(func: Handler, first: Any, second: Any) -> PatchTensor:
    """Multiply by a number, a broadcast tensor or another map on the same mask."""
    x, other = _ordered(first, second)
    factor = _channels(x, other)
    if factor is None:
        return _mul(func, first, second)
    return x.with_pending(x.pending.scaled(factor))


@implements('add')
def add(func: Handler, first: Any, second: Any, **kwargs: Any) -> PatchTensor:
    """Add a number, a broadcast tensor or another map on the same mask."""
    x, other = _ordered(first, second)
    offset = _channels(x, other)
    if offset is not None and not kwargs:
        return x.with_pending(x.pending.shifted(offset))
    if isinstance(other, PatchTensor) and other.values is x.values and not kwargs:
        x.check_partner(other)
        if x.pending.scale is not None or other.pending.scale is not None:
            return x.with_pending(x.pending.plus(other.pending))
    return _add(func, first, second, **kwargs)
