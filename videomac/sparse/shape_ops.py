"""Operations that move no value between cells: shapes and parts of channels.

They are about names of dimensions, so that they are the same for every kind of map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .map_view import MapView, as_view, ordered, permuted, reshaped, settle
from .sparse_map import SparseMap
from .tensor_face import Handler, UnsupportedOperationError

__all__ = ['SHAPE_OPS', 'take_axis']

Shown = SparseMap | MapView

#: Handlers of every kind of map and of views.
SHAPE_OPS: dict[str, Handler] = {}


def _implements(*names: str) -> Any:
    def register(handler: Handler) -> Handler:
        for name in names:
            SHAPE_OPS[name] = handler
        return handler

    return register


def _ints(values: tuple[Any, ...]) -> list[int]:
    """Ints that were given one by one or as one sequence."""
    if len(values) == 1 and isinstance(values[0], Sequence):
        return list(values[0])
    return list(values)


@_implements('view', 'reshape')
def view(func: Handler, x: Shown, *shape: Any, **kwargs: Any) -> Shown:
    """Show the values in another shape."""
    sizes = _ints(shape or tuple(kwargs.values()))
    if not all(isinstance(size, int) for size in sizes):
        raise UnsupportedOperationError.of('view', x, f'as {sizes}')
    return reshaped(x, sizes, func.__name__)


@_implements('flatten')
def flatten(func: Handler, x: Shown, start_dim: int = 0, end_dim: int = -1) -> Shown:
    """Join dimensions."""
    shape, rank = list(x.shape), x.dim()
    start, end = start_dim % rank, end_dim % rank
    size = torch.Size(shape[start : end + 1]).numel()
    return reshaped(x, [*shape[:start], size, *shape[end + 1 :]], 'flatten')


@_implements('unflatten')
def unflatten(func: Handler, x: Shown, dim: int, sizes: Sequence[int]) -> Shown:
    """Split a dimension."""
    shape, dim, parts = list(x.shape), dim % x.dim(), list(sizes)
    if -1 in parts:
        parts[parts.index(-1)] = shape[dim] // -torch.Size(parts).numel()
    return reshaped(x, [*shape[:dim], *parts, *shape[dim + 1 :]], 'unflatten')


@_implements('transpose')
def transpose(func: Handler, x: Shown, dim0: int, dim1: int) -> Shown:
    """Swap two dimensions."""
    order = list(range(x.dim()))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return permuted(x, order, 'transpose')


@_implements('movedim')
def movedim(func: Handler, x: Shown, source: Any, destination: Any) -> Shown:
    """Move dimensions."""
    # What torch makes of the sizes 0, 1, 2, ... is the order.
    numbered = torch.empty(tuple(range(x.dim())))
    return permuted(x, list(numbered.movedim(source, destination).shape), 'movedim')


@_implements('unsqueeze')
def unsqueeze(func: Handler, x: Shown, dim: int) -> Shown:
    """Insert an axis of one channel."""
    view, place = as_view(x), dim % (x.dim() + 1)
    dims = [*view.dims[:place], str(len(view.sizes)), *view.dims[place:]]
    return settle(view.base, dims, [*view.sizes, 1], 'unsqueeze')


@_implements('squeeze')
def squeeze(func: Handler, x: Shown, dim: int | None = None) -> Shown:
    """Drop an axis of one channel.

    Raises:
        UnsupportedOperationError: If one sample, row or column would lose its dimension.
    """
    if dim is None:
        raise UnsupportedOperationError.of('squeeze', x, 'say which dimension')
    view = ordered(as_view(x))
    if view.shape[dim] != 1:
        return x
    if not view.axis(dim).isdigit():
        raise UnsupportedOperationError.of(
            'squeeze',
            x,
            f'dimension {dim} holds samples or cells, only channels can be dropped',
        )
    return _without(view, dim % x.dim(), 'squeeze')


def _without(view: MapView, dim: int, name: str) -> Shown:
    """Drop a channel axis of size one from a view whose channels are in order."""
    gone = int(view.dims[dim])
    names = {str(i): str(i - (i > gone)) for i in range(len(view.sizes))}
    dims = [names.get(d, d) for i, d in enumerate(view.dims) if i != dim]
    sizes = [n for i, n in enumerate(view.sizes) if i != gone]
    return settle(view.base, dims, sizes, name)


def take_axis(x: Shown, dim: int, index: slice | Tensor, name: str) -> Shown:
    """Take some of the channels along a dimension.

    Raises:
        UnsupportedOperationError: If the dimension shows no channels.
    """
    view = as_view(x)
    axis = view.axis(dim)
    if not axis.isdigit():
        raise UnsupportedOperationError.of(
            name, x, f'dimension {dim} holds samples or cells, only channels can be taken'
        )
    place = int(axis)
    before, size = math.prod(view.sizes[:place]), view.sizes[place]
    inner = math.prod(view.sizes[place + 1 :])
    count = len(index if isinstance(index, Tensor) else range(size)[index])
    sizes = (*view.sizes[:place], count, *view.sizes[place + 1 :])
    if isinstance(index, slice):
        start, _, step = index.indices(size)
        if count == size:
            return x
        if step == before == 1:
            return settle(
                _narrowed(view.base, start * inner, count * inner), view.dims, sizes, name
            )
    channels = torch.arange(view.base.channels, device=view.device).view(view.sizes)
    kept = channels.movedim(place, 0)[index].movedim(0, place).flatten()
    base: Any = torch.index_select(view.base, 1, kept)  # type: ignore[call-overload]
    if isinstance(index, slice):  # torch copies what a tensor picks
        base.note_source(view.base)
    return settle(base, view.dims, sizes, name)


def _narrowed(base: SparseMap, start: int, count: int) -> SparseMap:
    out: Any = torch.narrow(base, 1, start, count)  # type: ignore[call-overload]
    out.note_source(base)
    return out


@_implements('narrow')
def narrow(func: Handler, x: Shown, dim: int, start: int, length: int) -> Shown:
    """Take a range of channels."""
    return take_axis(x, dim, slice(start, start + length), 'narrow')


@_implements('index_select')
def index_select(func: Handler, x: Shown, dim: int, index: Tensor) -> Shown:
    """Take channels by their numbers."""
    return take_axis(x, dim, index, 'index_select')


@_implements('select')
def select(func: Handler, x: Shown, dim: int, index: int) -> Shown:
    """Take one channel and drop its dimension."""
    if not as_view(x).axis(dim).isdigit():
        raise UnsupportedOperationError.of('select', x, 'only channels can be taken')
    index %= x.shape[dim]
    one = as_view(take_axis(x, dim, slice(index, index + 1), 'select'))
    return _without(ordered(one), dim % x.dim(), 'select')


@_implements('unbind')
def unbind(func: Handler, x: Shown, dim: int = 0) -> tuple[Shown, ...]:
    """Take each channel and drop its dimension."""
    return tuple(select(func, x, dim, i) for i in range(x.shape[dim]))


def _cut(x: Shown, dim: int, sizes: Sequence[int], name: str) -> tuple[Shown, ...]:
    if sum(sizes) != x.shape[dim]:
        raise ValueError(f'{name} of dimension {dim} of {x} into {list(sizes)}')
    ends = accumulate(sizes)
    pairs = zip(ends, sizes, strict=True)
    return tuple(take_axis(x, dim, slice(e - n, e), name) for e, n in pairs)


@_implements('split', 'split_with_sizes')
def split(
    func: Handler, x: Shown, split_size: Any = None, dim: int = 0, **kwargs: Any
) -> Any:
    """Cut the channels into parts of one size or of given sizes."""
    size, whole = next(iter(kwargs.values()), split_size), x.shape[dim]
    if isinstance(size, int):
        size = [min(size, whole - start) for start in range(0, whole, size)]
    return _cut(x, dim, size, 'split')


@_implements('chunk')
def chunk(func: Handler, x: Shown, chunks: int, dim: int = 0) -> Any:
    """Cut the channels into a number of parts, the last of which may be smaller."""
    return split(func, x, -(-x.shape[dim] // chunks), dim)


@_implements('tensor_split')
def tensor_split(func: Handler, x: Shown, sections: Any, dim: int = 0) -> Any:
    """Cut the channels into almost equal parts, or at given places."""
    whole = x.shape[dim]
    if isinstance(sections, int):
        small, more = divmod(whole, sections)
        return _cut(x, dim, [small + (i < more) for i in range(sections)], 'tensor_split')
    cuts = [0, *sections, whole]
    sizes = [b - a for a, b in pairwise(cuts)]
    return _cut(x, dim, sizes, 'tensor_split')


@_implements('stack')
def stack(func: Handler, maps: Sequence[Any], dim: int = 0) -> Shown:
    """Stack maps along a new axis before the channels."""
    views = [as_view(x) for x in maps if isinstance(x, SparseMap | MapView)]
    first, rank = views[0], len(views[0].dims) + 1
    if len(views) < len(maps) or any(v.dims != first.dims for v in views):
        raise UnsupportedOperationError.of('stack', first, 'the maps differ in shape')
    joined: Any = torch.cat([v.base for v in views], 1)  # type: ignore[misc]
    names = {str(i): str(i + 1) for i in range(len(first.sizes))}
    dims = [names.get(d, d) for d in first.dims]
    dims.insert(dim % rank, '0')
    return settle(joined, dims, (len(views), *first.sizes), 'stack')


@_implements('channel_shuffle', 'native_channel_shuffle')
def channel_shuffle(func: Handler, x: Shown, groups: int) -> Shown:
    """Deal the channels of each group out in turn."""
    split = unflatten(func, x, 1, (groups, x.shape[1] // groups))
    return flatten(func, transpose(func, split, 1, 2), 1, 2)


@_implements('getitem')
def getitem(func: Handler, x: Shown, index: Any) -> Shown:
    """Take channels, or every so many-th row and column.

    Raises:
        UnsupportedOperationError: If cells or samples are taken out.
    """
    items = list(index) if isinstance(index, tuple) else [index]
    dots = [i for i, item in enumerate(items) if item is Ellipsis]
    missing = x.dim() - len(items) + len(dots)
    at = dots[0] if dots else len(items)
    items[at : at + len(dots)] = [slice(None)] * missing
    if len(items) != x.dim() or any(isinstance(i, bool) or i is None for i in items):
        raise UnsupportedOperationError.of('getitem', x, f'index {index}')
    out, offsets = x, {}
    for dim in reversed(range(x.dim())):  # backwards, since single items drop dimensions
        item, axis = items[dim], as_view(x).axis(dim)
        if isinstance(item, slice) and item.indices(x.shape[dim]) == (0, x.shape[dim], 1):
            continue
        if axis.isdigit() and isinstance(item, int):
            out = select(func, out, dim, item)
        elif axis.isdigit() and isinstance(item, slice | Tensor):
            out = take_axis(out, dim, item, 'getitem')
        elif axis in 'HW' and isinstance(item, slice):
            offsets[axis] = item.indices(x.shape[dim])
        else:
            raise UnsupportedOperationError.of(
                'getitem', x, f'index {item} would take samples or cells out'
            )
    return _strided(out, offsets) if offsets else out


def _strided(x: Shown, offsets: dict[str, tuple[int, int, int]]) -> Shown:
    """Take every so many-th row and column: a pooling of single cells."""
    size = {'H': x.shape[-2], 'W': x.shape[-1]}
    (top, rows), (left, cols) = (
        (offsets[d][0], offsets[d][2]) if d in offsets else (0, 1) for d in 'HW'
    )
    whole = all(o[1] == size[d] and o[0] < o[2] for d, o in offsets.items())
    if not whole or not isinstance(x, SparseMap) or x.channels_last:
        raise UnsupportedOperationError.of(
            'getitem', x, f'taking {offsets} would change which patches there are'
        )
    moved: Any = F.pad(x, (-left, 0, -top, 0)) if top or left else x  # type: ignore[arg-type]
    out: Any = F.max_pool2d(moved, 1, (rows, cols))
    out.note_source(x)
    return out  # type: ignore[no-any-return]
