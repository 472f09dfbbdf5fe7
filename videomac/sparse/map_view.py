"""Other shapes of a sparse map: channels in groups, cells in a row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F

from .sparse_map import SparseMap
from .tensor_face import (
    Handler,
    TensorFace,
    UnsupportedOperationError,
    base_name,
    is_inplace,
    positional,
    require_no_out,
)

__all__ = ['MapView', 'as_view', 'ordered', 'permuted', 'reshaped', 'settle']


class MapView(TensorFace):
    """A sparse map under a shape that is neither [B, C, H, W] nor [B, H, W, C].

    Networks reshape maps to shuffle channels, to split them into groups or to line the
    cells up as tokens. None of that touches the mask, as long as samples, channels and
    cells are not mixed: this value says which dimension shows what.

    Args:
        base: The map, channels first.
        dims: What each dimension shows: 'B' samples, 'H' rows, 'W' columns, 'N' all
            cells of a map (rows times columns), and '0', '1', ... axes of the channels.
        sizes: Sizes of the axes into which the channels of ``base`` are split, the
            slowest first; their product is the number of channels.
    """

    handlers: ClassVar[dict[str, Handler]] = {}

    def __init__(self, base: SparseMap, dims: tuple[str, ...], sizes: tuple[int, ...]):
        self.base = base
        self.dims = dims
        self.sizes = sizes

    @property
    def shape(self) -> torch.Size:
        """Shape of the whole view, masked cells included."""
        batch, _, height, width = self.base.shape
        known = {'B': batch, 'H': height, 'W': width, 'N': height * width}
        return torch.Size(
            known[d] if d in known else self.sizes[int(d)] for d in self.dims
        )

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or one entry of it."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        """Number of dimensions."""
        return len(self.dims)

    ndim = property(dim)

    @property
    def dtype(self) -> torch.dtype:
        """Data type of the values."""
        return self.base.dtype

    @property
    def device(self) -> torch.device:
        """Device that holds the values."""
        return self.base.device

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to the values."""
        return self.base.requires_grad

    def of(self, base: SparseMap) -> MapView:
        """Make the same view of another map."""
        return MapView(base, self.dims, self.sizes)

    def axis(self, dim: int) -> str:
        """What a dimension shows."""
        return self.dims[dim]

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f'{type(self).__name__}(shape={tuple(self.shape)} of {self.base})'

    @classmethod
    def dispatch(
        cls, name: str, func: Handler, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Look the operation up in the table of views and run it.

        Raises:
            UnsupportedOperationError: If there is none, or if it works in place.
        """
        args = positional(args, kwargs)
        require_no_out(name, args, kwargs)
        handler = cls.handlers.get(base_name(name))
        view = next((a for a in args if isinstance(a, MapView)), None)
        if handler is None or kwargs.pop('inplace', False) or is_inplace(name):
            raise UnsupportedOperationError.of(
                name, view, 'it has no exact meaning on masked maps in this shape'
            )
        return handler(func, *args, **kwargs)


def settle(
    base: SparseMap, dims: Sequence[str], sizes: Sequence[int], name: str
) -> SparseMap | MapView:
    """Return a map where the dimensions are those of one, else a view.

    Raises:
        UnsupportedOperationError: If samples do not come first, or columns before rows.
    """
    dims = tuple(dims)
    space = [d for d in dims if d in 'HWN']
    if dims[0] != 'B' or space not in (['H', 'W'], ['N']):
        order = {'B': 'B', 'H': 'H', 'W': 'W', 'N': 'H*W'}
        shown = ', '.join(order.get(d, 'C') for d in dims)
        raise UnsupportedOperationError.of(
            name, base, f'it would show the dimensions as [{shown}]'
        )
    if dims == ('B', '0', 'H', 'W'):
        return base
    if dims == ('B', 'H', 'W', '0'):
        return base.permute(0, 2, 3, 1)
    return MapView(base, dims, tuple(sizes))


def as_view(x: SparseMap | MapView) -> MapView:
    """See a map as a view."""
    if isinstance(x, MapView):
        return x
    if x.channels_last:
        return MapView(x.permute(0, 3, 1, 2), ('B', 'H', 'W', '0'), (x.channels,))
    return MapView(x, ('B', '0', 'H', 'W'), (x.channels,))


def ordered(view: MapView) -> MapView:
    """Sort the channels of the map as the view shows them."""
    shown = [int(d) for d in view.dims if d.isdigit()]
    if shown == sorted(shown):
        return view
    names = iter(range(len(shown)))
    dims = tuple(str(next(names)) if d.isdigit() else d for d in view.dims)
    sizes = tuple(view.sizes[i] for i in shown)
    moved = [i for i in shown if view.sizes[i] > 1]
    if moved == sorted(moved):
        return MapView(view.base, dims, sizes)
    order = torch.arange(view.base.channels, device=view.device)
    order = order.view(view.sizes).permute(shown).flatten()
    base = torch.index_select(view.base, 1, order)  # type: ignore[call-overload]
    return MapView(base, dims, sizes)


def permuted(
    x: SparseMap | MapView, order: Sequence[int], name: str
) -> SparseMap | MapView:
    """Show the dimensions in another order."""
    view = as_view(x)
    order = [d % len(view.dims) for d in order]
    return settle(view.base, [view.dims[d] for d in order], view.sizes, name)


def reshaped(
    x: SparseMap | MapView, shape: Sequence[int], name: str
) -> SparseMap | MapView:
    """Show the same values, in the same order, in another shape.

    Raises:
        UnsupportedOperationError: If a dimension would mix samples, channels and cells.
    """
    shape = list(shape)
    if -1 in shape:
        rest = -math.prod(shape)
        shape[shape.index(-1)] = x.shape.numel() // max(rest, 1)
    if tuple(shape) == tuple(x.shape):
        return x
    if math.prod(shape) != x.shape.numel():
        raise RuntimeError(f"shape '{shape}' is invalid for {x}")
    view = ordered(as_view(x))
    groups = _assign(view, shape)
    if groups is None:
        raise UnsupportedOperationError.of(
            name, x, f'the shape {tuple(shape)} mixes samples, channels and cells'
        )
    return _of_groups(view, groups, name)


#: A part of a dimension: what it shows ('c' for channels) and its size.
_Part = tuple[str, int]


def _parts(view: MapView) -> list[_Part]:
    """The dimensions one after the other, all cells as rows and columns."""
    parts: list[_Part] = []
    for dim, size in zip(view.dims, view.shape, strict=True):
        if dim == 'N':
            parts += [('H', view.base.shape[2]), ('W', view.base.shape[3])]
        else:
            parts.append(('c' if dim.isdigit() else dim, size))
    return parts


def _assign(view: MapView, shape: Sequence[int]) -> list[list[_Part]] | None:
    """Share the parts out among the dimensions of a shape, splitting where needed.

    Rows that are split leave the part 'h', columns 'w': a cell within a block of cells.
    """
    left = _parts(view)
    groups: list[list[_Part]] = []
    for place, size in enumerate(shape):
        group: list[_Part] = []
        while size > 1 and left:
            name, n = left.pop(0)
            if n == 1 and name == 'c':
                continue  # an axis of one channel says nothing
            if n == 1 and name == 'W' and groups and groups[-1][-1][0] == 'H':
                groups[-1].append((name, n))  # a single column belongs to its rows
            elif size % n == 0:
                group.append((name, n))
                size //= n
            elif n % size == 0 and name in 'cHW':
                group.append((name, size))
                left.insert(0, (name.lower(), n // size))
                size = 1
            else:
                return None
        if not group:
            # Axes of one channel fill up the dimensions, where those are too many.
            spare = len(shape) - place - sum(name != 'c' for name, _ in left)
            shown = any(g[0][0] == 'c' for g in groups)
            while shown and spare <= 0 and left and left[0] == ('c', 1):
                left.pop(0)
            after = bool(groups) and groups[-1][0][0] == 'c'
            one = left and left[0][1] == 1 and not (after and spare > 0)
            group = [left.pop(0)] if one else [('c', 1)]
        groups.append(group)
    if not groups or any(n > 1 for _, n in left):
        return None
    groups[-1] += [(name, n) for name, n in left if name != 'c']
    pure = (['B'], ['H'], ['W'], ['h'], ['w'], ['H', 'W'])
    for group in groups:
        names = [name for name, _ in group]
        if names not in pure and set(names) != {'c'}:
            return None
    return groups


def _of_groups(
    view: MapView, groups: list[list[_Part]], name: str
) -> SparseMap | MapView:
    """Make the view whose dimensions are groups of parts."""
    base: SparseMap = view.base
    dims: list[str] = []
    sizes: list[int] = []
    for group in groups:
        if group[0][0] == 'c':
            dims.append(str(len(sizes)))
            sizes.append(math.prod(n for _, n in group))
        else:
            dims.append('N' if len(group) == 2 else group[0][0])
    inner = {part: n for group in groups for part, n in group if part in 'hw'}
    if inner:
        # Cells within a block become channels: pixel_unshuffle puts them last.
        if set(inner) != {'h', 'w'} or inner['h'] != inner['w']:
            raise UnsupportedOperationError.of(name, view.base, 'blocks are not square')
        base = F.pixel_unshuffle(base, inner['h'])  # type: ignore[arg-type, assignment]
        places = {'h': str(len(sizes)), 'w': str(len(sizes) + 1)}
        dims = [places.get(d, d) for d in dims]
        sizes += [inner['h'], inner['w']]
    return settle(base, dims, sizes, name)
