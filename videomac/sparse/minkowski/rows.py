"""Meaning of other torch operations on MinkowskiMap: those on rows alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..geometry import as_pair, check_pooling
from ..ops.elementwise import CASTS, ELEMENTWISE, cast, require_map_first
from ..ops.reduce import given_dims, vector_order
from ..precision import HALF, norm_dtype, sum_dtype
from ..sparse_map import Handler, SparseMap, UnsupportedOperationError
from .minkowski_map import MinkowskiMap, implements

__all__ = ['mean', 'norm']


def _rows(other: Any, x: MinkowskiMap) -> Any:
    """Bring another operand to a form that broadcasts against the rows [M, C]."""
    if isinstance(other, SparseMap):
        x.check_partner(other)
        return other.data
    if not isinstance(other, Tensor) or other.dim() == 0:
        return other
    full = other.reshape((1,) * (4 - other.dim()) + tuple(other.shape))
    full = full if x.channels_last else full.permute(0, 2, 3, 1)
    if full.shape[:3] == (1, 1, 1):
        return full[0, 0]
    if full.shape[1:3] == (1, 1):
        return full[:, 0, 0].index_select(0, x.sites.sample)
    spread = full.expand(x.grid.batch_size, *x.sites.size, full.shape[3])
    return spread.flatten(0, 2).index_select(0, x.sites.index)


@implements(*ELEMENTWISE)
def _elementwise(func: Handler, x: Any, *args: Any, **kwargs: Any) -> MinkowskiMap:
    require_map_first(func, x)
    values = [_rows(value, x) for value in args]
    named = {name: _rows(value, x) for name, value in kwargs.items()}
    return x.map_values(lambda data: func(data, *values, **named))


def _binary(function: Callable[..., Tensor]) -> Handler:
    def handler(func: Handler, a: Any, b: Any, **kwargs: Any) -> MinkowskiMap:
        x = a if isinstance(a, MinkowskiMap) else b
        return x.like(function(_rows(a, x), _rows(b, x), **kwargs))

    return handler


MinkowskiMap.handlers |= {
    **dict.fromkeys(CASTS, cast),
    'add': _binary(torch.add),
    'sub': _binary(torch.sub),
    'rsub': _binary(torch.rsub),
    'mul': _binary(torch.mul),
    'div': _binary(torch.div),
    'rdiv': _binary(lambda a, b: b / a),
}


@implements('addcmul')
def _addcmul(
    func: Handler, a: Any, b: Any, c: Any, value: float = 1.0, out: None = None
) -> MinkowskiMap:
    x = next(m for m in (a, b, c) if isinstance(m, MinkowskiMap))
    return x.like(_rows(a, x) + value * _rows(b, x) * _rows(c, x))


@implements('cat')
def _cat(func: Handler, maps: Sequence[Any], dim: int = 0) -> MinkowskiMap:
    x = next(m for m in maps if isinstance(m, MinkowskiMap))
    if dim % 4 != x.channel_dim or not all(isinstance(m, MinkowskiMap) for m in maps):
        raise UnsupportedOperationError('cat joins the channels of maps only')
    return x.like(torch.cat([_rows(m, x) for m in maps], 1))


@implements('dropout2d', 'feature_dropout')
def _dropout2d(
    func: Handler, x: MinkowskiMap, p: float = 0.5, training: bool = True
) -> MinkowskiMap:
    if not training:
        return x
    ones = x.data.new_ones(x.grid.batch_size, x.channels)
    return x.like(x.data * F.dropout(ones, p)[x.sites.sample])


@implements('permute')
def _permute(func: Handler, x: MinkowskiMap, *dims: Any) -> MinkowskiMap:
    out = x.like(x.data, channels_last=x.permuted_layout(dims))
    out.note_source(x)
    return out


@implements('contiguous')
def _contiguous(func: Handler, x: MinkowskiMap, **kwargs: Any) -> MinkowskiMap:
    return x.like(x.data) if x.channels_last else x


@implements('linear')
def _linear(
    func: Handler, x: MinkowskiMap, weight: Tensor, bias: Tensor | None = None
) -> MinkowskiMap:
    x.require_layout('linear', channels_last=True)
    return x.like(F.linear(x.data, weight, bias))


@implements('batch_norm')
def _batch_norm(
    func: Handler, x: MinkowskiMap, *args: Any, **kwargs: Any
) -> MinkowskiMap:
    x.require_layout('batch_norm', channels_last=False)
    return x.like(F.batch_norm(x.data, *args, **kwargs))


@implements('layer_norm')
def _layer_norm(
    func: Handler, x: MinkowskiMap, normalized_shape: Any, *args: Any, **kwargs: Any
) -> MinkowskiMap:
    x.require_layout('layer_norm', channels_last=True)
    if tuple(normalized_shape) != (x.channels,):
        raise UnsupportedOperationError(
            f'layer_norm over {tuple(normalized_shape)} of {x}: only channels are'
            ' normalised'
        )
    return x.like(F.layer_norm(x.data, (x.channels,), *args, **kwargs))


@implements('group_norm')
def _group_norm(
    func: Handler, x: MinkowskiMap, num_groups: int, *args: Any, **kwargs: Any
) -> MinkowskiMap:
    x.require_layout('group_norm', channels_last=False)
    rows = [
        (x.sites.sample == b).nonzero()[:, 0] for b in x.sites.sample.unique().tolist()
    ]
    parts = [
        F.group_norm(x.data[r].T[None], num_groups, *args, **kwargs)[0].T for r in rows
    ]
    out = torch.zeros_like(x.data).index_copy(0, torch.cat(rows), torch.cat(parts))
    return x.like(out)


Reduction = Callable[[Tensor, int, bool], Tensor]


def _reduce(x: MinkowskiMap, dim: Any, keepdim: bool, function: Reduction) -> Any:
    """Apply ``function(values, dim, keepdim)`` along space, channels or everything."""
    space = {1, 2} if x.channels_last else {2, 3}
    dims, channel = set(given_dims(dim, 4)), {x.channel_dim}
    if dims == channel and keepdim:
        return x.like(function(x.data, 1, True))
    if dims == space:
        values = function(x.sites.lined(x.data), 1, False)
        shape = [1 if d in space else n for d, n in enumerate(x.shape)]
        return values.reshape(shape) if keepdim else values
    if dims == space | {0}:
        values = function(x.data, 0, False)
        shape = [-1 if d in channel else 1 for d in range(4)]
        return values.reshape(shape) if keepdim else values
    if len(dims) == 4 and not keepdim:
        return function(x.data.flatten(), 0, False)
    raise UnsupportedOperationError(
        f'reducing dim={dim}, keepdim={keepdim} of {x} is not supported: reduce space '
        '(each sample alone, or the whole batch), or the channels with keepdim=True'
    )


@implements('sum')
def _sum(
    func: Handler,
    x: MinkowskiMap,
    dim: Any = None,
    keepdim: bool = False,
    dtype: torch.dtype | None = None,
) -> Any:
    return _reduce(x, dim, keepdim, partial(torch.sum, dtype=dtype))


@implements('mean')
def mean(
    func: Handler,
    x: MinkowskiMap,
    dim: Any = None,
    keepdim: bool = False,
    dtype: torch.dtype | None = None,
) -> Any:
    """Average the visible values: masked cells do not count."""

    def function(values: Tensor, axis: int, keep: bool) -> Tensor:
        total = torch.sum(values, axis, keep, dtype=dtype or sum_dtype(x.dtype))
        if values.dim() < 3:
            return total / values.shape[axis]
        # Zeros at the end of shorter samples do not count; the mean of none is zero.
        return total / x.sites.counts.clamp(min=1)[:, None]

    average = _reduce(x, dim, keepdim, function)
    return average.to(x.dtype) if dtype is None and x.dtype in HALF else average


@implements('norm')
def norm(
    func: Handler,
    x: MinkowskiMap,
    p: Any = 2,
    dim: Any = None,
    keepdim: bool = False,
    out: None = None,
    dtype: torch.dtype | None = None,
) -> Any:
    """Vector norm of the visible values."""
    order, dtype = vector_order(p), dtype or norm_dtype(x.dtype, x.device)

    def function(values: Tensor, axis: int, keep: bool) -> Tensor:
        return torch.linalg.vector_norm(values, order, axis, keep, dtype=dtype)

    return _reduce(x, dim, keepdim, function)


@implements('adaptive_avg_pool2d')
def _adaptive_avg_pool2d(func: Handler, x: MinkowskiMap, output_size: Any) -> Any:
    if as_pair(output_size) != (1, 1):
        raise UnsupportedOperationError(f'adaptive_avg_pool2d to {output_size}')
    check_pooling(x, 'adaptive_avg_pool2d')
    return mean(func, x, (2, 3), keepdim=True)
