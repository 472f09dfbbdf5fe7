"""Sums, means and norms over space, channels or everything that is visible."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..patch_tensor import PatchTensor, implements
from ..sparse_map import Handler, UnsupportedOperationError

__all__ = ['mean', 'norm', 'sum_', 'vector_order']


def vector_order(p: Any) -> float:
    """Return the order of a norm to which absent cells add nothing.

    Raises:
        UnsupportedOperationError: If it is not positive.
    """
    order = 2.0 if p == 'fro' else p
    if not isinstance(order, int | float) or order <= 0:
        raise UnsupportedOperationError(f'norm of order {p!r} on a map with masked cells')
    return order


def _axes(x: PatchTensor, dim: Any) -> frozenset[str]:
    """Names of the dimensions to reduce: a subset of {'B', 'C', 'H', 'W'}."""
    names = 'BHWC' if x.channels_last else 'BCHW'
    if dim is None:
        return frozenset(names)
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    return frozenset(names[d] for d in dims)


def _shaped(x: PatchTensor, values: Tensor, keepdim: bool) -> Tensor:
    """Turn per-sample values [B, C] into what a reduction over H and W returns."""
    if not keepdim:
        return values
    return values[:, None, None, :] if x.channels_last else values[:, :, None, None]


def _reduce(
    x: PatchTensor, dim: Any, keepdim: bool, function: Any, name: str
) -> Tensor | PatchTensor:
    """Apply ``function(values, dim, keepdim)`` to the visible values along dimensions.

    The values come as [N, h, w, C], [B, M, C] (zero-padded) or [N*h*w, C].
    """
    axes = _axes(x, dim)
    if axes == {'H', 'W'}:
        lined = x.grid.batched(x.data)
        return _shaped(x, function(lined, 1, False), keepdim)
    if axes == {'C'} and keepdim:
        return x.like(function(x.data, 3, True))
    if axes == {'B', 'H', 'W'}:
        values = function(x.data.reshape(1, -1, x.channels), 1, False)
        return _shaped(x, values, True) if keepdim else values[0]
    if axes == {'B', 'C', 'H', 'W'} and not keepdim:
        return function(x.data.flatten(), 0, False)
    raise UnsupportedOperationError(
        f'{name} over dim={dim}, keepdim={keepdim} of {x} is not supported: reduce space '
        '(each sample alone, or the whole batch), or the channels with keepdim=True'
    )


def _visible_cells(x: PatchTensor, dim: Any, keepdim: bool) -> Any:
    """Number of values that a mean over the dimensions divides by."""
    axes, area = _axes(x, dim), x.cells[0] * x.cells[1]
    if axes == {'C'}:
        return x.channels
    if axes == {'H', 'W'}:
        if x.grid.per_sample is not None:
            return x.grid.per_sample * area
        return _shaped(x, (x.grid.counts * area)[:, None], keepdim)
    return len(x.grid.index) * area * (x.channels if 'C' in axes else 1)


@implements('sum')
def sum_(
    func: Handler,
    x: PatchTensor,
    dim: Any = None,
    keepdim: bool = False,
    dtype: torch.dtype | None = None,
) -> Any:
    """Sum the visible values."""
    return _reduce(x, dim, keepdim, partial(torch.sum, dtype=dtype), 'sum')


@implements('mean')
def mean(
    func: Handler,
    x: PatchTensor,
    dim: Any = None,
    keepdim: bool = False,
    dtype: torch.dtype | None = None,
) -> Any:
    """Average the visible values: masked cells do not count."""
    total = _reduce(x, dim, keepdim, partial(torch.sum, dtype=dtype), 'mean')
    return total / _visible_cells(x, dim, keepdim)


@implements('norm')
def norm(
    func: Handler,
    x: PatchTensor,
    p: Any = 2,
    dim: Any = None,
    keepdim: bool = False,
    out: None = None,
    dtype: torch.dtype | None = None,
) -> Any:
    """Vector norm of the visible values."""
    order = vector_order(p)

    def function(values: Tensor, axis: int, keep: bool) -> Tensor:
        return torch.linalg.vector_norm(values, order, axis, keep, dtype=dtype)

    return _reduce(x, dim, keepdim, function, 'norm')
