"""Sums, means and norms over space, channels or everything that is visible."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..patch_tensor import PatchTensor, implements
from ..precision import HALF, norm_dtype, sum_dtype
from ..sparse_map import Handler, UnsupportedOperationError
from .spatial_norm import spatial_norm

__all__ = ['given_dims', 'mean', 'norm', 'sum_', 'vector_order']


def given_dims(dim: Any, rank: int) -> tuple[int, ...]:
    """Return the dimensions that a reduction is over, counted from 0.

    As in torch these are all of them for None and for an empty sequence.

    Raises:
        IndexError: If there is no such dimension.
    """
    dims = (dim,) if isinstance(dim, int) else tuple(dim or ())
    return tuple(range(rank)[d] for d in dims) or tuple(range(rank))


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
    return frozenset(names[d] for d in given_dims(dim, 4))


def _shaped(x: PatchTensor, values: Tensor, keepdim: bool) -> Tensor:
    """Turn per-sample values [B, C] into what a reduction over H and W returns."""
    if not keepdim:
        return values
    return values[:, None, None, :] if x.channels_last else values[:, :, None, None]


def _reduce(
    x: PatchTensor,
    dim: Any,
    keepdim: bool,
    function: Any,
    name: str,
    fill: float = 0.0,
) -> Any:
    """Apply ``function(values, dim, keepdim)`` to the visible values along dimensions.

    The values come as [N, h, w, C], [B, M, C] (``fill`` at the end) or [1, N*h*w, C].
    """
    axes = _axes(x, dim)
    if axes == {'H', 'W'}:
        lined = x.grid.batched(x.data, fill)
        return _shaped(x, function(lined, 1, False), keepdim)
    if axes == {'C'}:
        out = x.like(function(x.data, 3, True))
        return out if keepdim else out.squeeze(x.channel_dim)
    if axes == {'B', 'H', 'W'}:
        values = function(x.data.reshape(1, -1, x.channels), 1, False)
        return _shaped(x, values, True) if keepdim else values[0]
    if axes == {'C', 'H', 'W'}:
        over_channels = function(x.data, 3, True)
        values = function(x.grid.batched(over_channels, fill), 1, False)
        return _shaped(x, values, True) if keepdim else values[:, 0]
    if axes == {'B', 'C', 'H', 'W'}:
        total = function(x.data.flatten(), 0, False)
        return total.view(1, 1, 1, 1) if keepdim else total
    raise UnsupportedOperationError.of(
        name,
        x,
        f'over dim={dim}, keepdim={keepdim}: reduce space (each sample alone, or the '
        'whole batch) or the channels',
    )


def _visible_cells(x: PatchTensor, dim: Any, keepdim: bool) -> Any:
    """Number of values that a mean over the dimensions divides by, at least one."""
    axes, area = _axes(x, dim), x.cells[0] * x.cells[1]
    channels = x.channels if 'C' in axes else 1
    if axes == {'C'}:
        return x.channels
    if 'B' in axes:
        return max(len(x.grid.index), 1) * area * channels
    if x.grid.per_sample is not None:
        return max(x.grid.per_sample, 1) * area * channels
    counts = x.grid.counts.clamp(min=1) * (area * channels)
    if keepdim:
        return counts[:, None, None, None]
    return counts if 'C' in axes else counts[:, None]


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
    """Average the visible values: masked cells do not count, and none average to 0."""
    add_up = partial(torch.sum, dtype=dtype or sum_dtype(x.dtype))
    average = _reduce(x, dim, keepdim, add_up, 'mean') / _visible_cells(x, dim, keepdim)
    return average.to(x.dtype) if dtype is None and x.dtype in HALF else average


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
    if order == 2 and dtype is None and _axes(x, dim) == {'H', 'W'}:
        return _shaped(x, spatial_norm(x), keepdim)
    dtype = dtype or norm_dtype(x.dtype, x.device)

    def function(values: Tensor, axis: int, keep: bool) -> Tensor:
        return torch.linalg.vector_norm(values, order, axis, keep, dtype=dtype)

    return _reduce(x, dim, keepdim, function, 'norm')


def _extreme(name: str) -> Handler:
    """Handler of amax or amin: of nothing, it is zero like the mean."""
    function, fill = getattr(torch, name), float('-inf' if name == 'amax' else 'inf')

    def handler(
        func: Handler, x: PatchTensor, dim: Any = None, keepdim: bool = False
    ) -> Any:
        def of_values(values: Tensor, axis: int, keep: bool) -> Tensor:
            if values.shape[axis] == 0:
                return values.sum(axis, keep)
            return function(values, axis, keep)

        out = _reduce(x, dim, keepdim, of_values, name, fill)
        if isinstance(out, Tensor) and x.grid.per_sample is None:
            out = out.masked_fill(out == fill, 0.0)
        return out

    return handler


PatchTensor.handlers |= {name: _extreme(name) for name in ('amax', 'amin')}


def _extreme_of(name: str) -> Handler:
    """Handler of max or min: of everything, along the channels, or of two operands."""
    function, binary = getattr(torch, name), getattr(torch, name + 'imum')
    over_all = PatchTensor.handlers['a' + name]

    def handler(
        func: Handler, x: Any, dim: Any = None, keepdim: bool = False, **kwargs: Any
    ) -> Any:
        if not isinstance(dim, int | None) or not isinstance(x, PatchTensor):
            return binary(x, dim)
        if dim is None:
            return over_all(func, x)
        if dim % 4 != x.channel_dim:
            raise UnsupportedOperationError.of(
                name, x, f'over dimension {dim}, with places; a{name} says none'
            )
        out = function(x.data, 3, True)
        maps = (x.like(out.values), x.like(out.indices))
        kept = maps if keepdim else [m.squeeze(dim) for m in maps]
        return getattr(torch.return_types, name)(kept)

    return handler


PatchTensor.handlers |= {name: _extreme_of(name) for name in ('max', 'min')}
