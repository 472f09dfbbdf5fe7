"""What operations on values mean to maps in other shapes: those of the map itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .map_view import MapView, ordered, permuted
from .ops.elementwise import CASTS, ELEMENTWISE
from .ops.reduce import given_dims
from .shape_ops import SHAPE_OPS, take_axis
from .sparse_map import SparseMap
from .tensor_face import Handler, UnsupportedOperationError

__all__ = ['operand']


def implements(*names: str) -> Any:
    """Enter a handler of views under the names of its operations."""

    def register(handler: Handler) -> Handler:
        for name in names:
            MapView.handlers[name] = handler
        return handler

    return register


MapView.handlers |= SHAPE_OPS


@implements('contiguous')
def contiguous(func: Handler, x: MapView, **kwargs: Any) -> MapView:
    """Return the view itself."""
    return x


@implements('permute')
def permute(func: Handler, x: MapView, *dims: Any, **kwargs: Any) -> Any:
    """Show the dimensions in another order."""
    order = dims or tuple(kwargs.values())
    return permuted(x, order[0] if len(order) == 1 else order, 'permute')


def operand(other: Any, x: MapView) -> Any:
    """Bring the other operand of an operation to the shape of the map below.

    Raises:
        UnsupportedOperationError: If it is a view of another kind.
    """
    if isinstance(other, MapView):
        return _expanded(other, x)
    if isinstance(other, SparseMap):
        raise UnsupportedOperationError.of('broadcast', x, f'with {other}')
    if not isinstance(other, Tensor) or other.dim() == 0:
        return other
    full = other.reshape((1,) * (len(x.dims) - other.dim()) + tuple(other.shape))
    shown = [*x.dims]
    if 'N' in shown:
        place = shown.index('N')
        space = (1, 1) if full.shape[place] == 1 else tuple(x.base.shape[2:])
        full = full.unflatten(place, space)
        shown[place : place + 1] = ['H', 'W']
    wanted = ['B', *map(str, range(len(x.sizes))), 'H', 'W']
    full = full.permute([shown.index(d) for d in wanted])
    batch, *channels, rows, cols = full.shape
    if math.prod(channels) == 1:
        return full.reshape(batch, 1, rows, cols)
    return full.expand(batch, *x.sizes, rows, cols).reshape(batch, -1, rows, cols)


def _expanded(other: MapView, x: MapView) -> SparseMap:
    """Repeat the channels of a view along axes where it has one and the other more."""
    shape = [1] * (len(x.dims) - len(other.dims)) + list(other.shape)
    fits = all(a in (1, b) for a, b in zip(shape, x.shape, strict=True))
    if other.dims != x.dims or not fits:
        raise UnsupportedOperationError.of('broadcast', x, f'with {other}')
    order = torch.arange(other.base.channels, device=x.device).view(other.sizes)
    if other.sizes == x.sizes:
        return other.base
    order = order.expand(x.sizes).flatten()
    return torch.index_select(other.base, 1, order)  # type: ignore[call-overload]


@implements(*ELEMENTWISE, *CASTS)
def elementwise(func: Handler, x: Any, *args: Any, **kwargs: Any) -> Any:
    """Apply the function to the values of the map."""
    if not isinstance(x, MapView):
        view = next(a for a in args if isinstance(a, MapView))
        raise UnsupportedOperationError.of(func.__name__, view, 'it comes second')
    values = [operand(a, x) for a in args]
    base = x.base.dispatch(func.__name__, func, (x.base, *values), kwargs)
    return x.of(base) if isinstance(base, SparseMap) else base  # type() is a name


def _binary(function: Handler) -> Handler:
    def handler(func: Handler, first: Any, second: Any, **kwargs: Any) -> MapView:
        pair = [ordered(v) if isinstance(v, MapView) else v for v in (first, second)]
        views = [v for v in pair if isinstance(v, MapView)]
        x = max(views, key=lambda v: v.shape.numel())
        a, b = (v.base if v is x else operand(v, x) for v in pair)
        return x.of(function(a, b, **kwargs))

    return handler


MapView.handlers |= {
    'add': _binary(torch.add),
    'sub': _binary(torch.sub),
    'mul': _binary(torch.mul),
    'div': _binary(torch.div),
    'rsub': _binary(torch.rsub),
    'rdiv': _binary(lambda a, b: torch.div(b, a)),
    'maximum': _binary(torch.maximum),
    'minimum': _binary(torch.minimum),
}


def _reduction(name: str, join: Handler) -> Handler:
    """Make a handler: the map's own reduction over space, then one over channels."""
    of_space = getattr(torch, name)

    def handler(
        func: Handler, x: MapView, dim: Any = None, keepdim: bool = False, **kwargs: Any
    ) -> Any:
        dims = given_dims(dim, x.dim())
        gone = {x.axis(d) for d in dims}
        if gone & {'B', 'H', 'W', 'N'}:
            if 'B' in gone or not ({'N'} <= gone or {'H', 'W'} <= gone):
                raise UnsupportedOperationError.of(name, x, f'over dimensions {[*dims]}')
            kept = of_space(x.base, (2, 3), keepdim=True, **kwargs)
            axes = ['B', *map(str, range(len(x.sizes))), 'H', 'W']
            kept = kept.unflatten(1, x.sizes) if x.sizes else kept[:, 0]
            order = [axes.index('H' if d == 'N' else d) for d in x.dims]
            if 'N' in x.dims:
                kept = kept.squeeze(-1)
            kept = kept.permute(order)
            channels = [d for d in dims if x.axis(d).isdigit()]
            if channels:
                kept = of_space(kept, channels, keepdim=True)
            return kept if keepdim else kept.squeeze(dims)
        out: Any = x
        for d in dims:
            parts = [take_axis(out, d, slice(i, i + 1), name) for i in range(x.shape[d])]
            out = join(parts)
        if not keepdim:
            for d in sorted(dims, reverse=True):
                out = SHAPE_OPS['squeeze'](func, out, d)
        return out

    return handler


def _sum(parts: Sequence[Any]) -> Any:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _most(parts: Sequence[Any]) -> Any:
    most = parts[0]
    for part in parts[1:]:
        most = torch.maximum(most, part)
    return most


MapView.handlers |= {
    'sum': _reduction('sum', _sum),
    'mean': _reduction('mean', lambda parts: _sum(parts) / len(parts)),
    'amax': _reduction('amax', _most),
}


@implements('softmax')
def softmax(func: Handler, x: MapView, dim: int, *args: Any, **kwargs: Any) -> Any:
    """Exponentials that add up to one, over channels or over the visible cells."""
    if kwargs.get('dtype') is not None:
        x = x.to(kwargs['dtype'])
    highest = x.amax(dim, keepdim=True).detach()
    values = (x - highest).exp()
    return values / values.sum(dim, keepdim=True)


@implements('matmul', 'bmm')
def matmul(func: Handler, first: Any, second: Any) -> Tensor:
    """Sum cells with weights: [..., C, N] @ [..., N, 1], as pooling by attention does."""
    x = first if isinstance(first, MapView) else second
    good = isinstance(first, MapView) and isinstance(second, MapView)
    if not good or (first.dims[-1], second.dims[-2], second.shape[-1]) != ('N', 'N', 1):
        raise UnsupportedOperationError.of(
            func.__name__, x, 'it mixes cells (attention needs all of them)'
        )
    return (first * second.transpose(-1, -2)).sum(-1, keepdim=True)


def _last_axis(func: Handler, x: MapView, *args: Any, **kwargs: Any) -> Any:
    """Apply a layer for the last dimension, where that shows all channels."""
    if x.dims != ('B', 'N', '0'):
        raise UnsupportedOperationError.of(func.__name__, x, 'it expects channels last')
    out = func(x.base.permute(0, 2, 3, 1), *args, **kwargs)
    out = out.permute(0, 3, 1, 2)
    return MapView(out, x.dims, (out.channels,))


MapView.handlers |= {'linear': _last_axis, 'layer_norm': _last_axis}
