"""What every sparse feature map shows to a network: the face of a torch tensor."""

from __future__ import annotations

import weakref
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from typing_extensions import Self

from .padding import NO_PADDING, Padding
from .patch_grid import PatchGrid
from .tensor_face import (
    Handler,
    TensorFace,
    UnsupportedOperationError,
    base_name,
    is_inplace,
    out_of_place,
    positional,
    require_no_out,
)

__all__ = ['Handler', 'SparseMap', 'UnsupportedOperationError', 'base_name']

#: Operations that a padded map is made for; see :class:`.padding.Padding`.
_TAKE_PADDING = ('conv2d', 'max_pool2d', 'avg_pool2d', 'pad')


def _require_unpadded(name: str, args: tuple[Any, ...]) -> None:
    for arg in args:
        for x in arg if isinstance(arg, list | tuple) else (arg,):
            if isinstance(x, SparseMap) and x.padding:
                raise UnsupportedOperationError(
                    f"torch operation '{name}' on a padded map, {x}: after a padding "
                    'only conv2d, max_pool2d and avg_pool2d have an exact meaning. See '
                    'docs/en/sparse_engine.md.'
                )


class SparseMap(TensorFace):
    """A ``[B, C, H, W]`` feature map of which only some patches exist.

    Networks treat it as a tensor: it answers torch functions, tensor methods and
    operators. Sub-classes hold the data in their own way and say, by a table of
    handlers, what each operation means to it. An operation that is not in the table
    raises :class:`UnsupportedOperationError`, so nothing leaks into masked cells.

    Args:
        data: The stored values, whose form is the sub-class's own.
        grid: The visible patches.
        channels_last: Whether the map shows itself as ``[B, H, W, C]``.
    """

    handlers: ClassVar[dict[str, Handler]]
    #: Padding that the next window reads; ``shape`` counts it, no patch holds it.
    padding: Padding = NO_PADDING
    _sources: tuple[weakref.ref[SparseMap], ...] = ()
    _views: tuple[weakref.ref[SparseMap], ...] = ()

    def __init__(self, data: Tensor, grid: PatchGrid, channels_last: bool = False):
        self.data = data
        self.grid = grid
        self.channels_last = channels_last

    # --- what sub-classes say -------------------------------------------------

    @property
    @abstractmethod
    def channels(self) -> int:
        """Number of channels."""

    @property
    @abstractmethod
    def cells(self) -> tuple[int, int]:
        """Rows and columns of cells that one patch covers."""

    @abstractmethod
    def dense(self) -> Tensor:
        """Return the map as a tensor of shape [B, C, H, W], zero at masked cells."""

    def map_values(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Apply a function that acts on each value alone.

        Where it returns the values themselves, as dropout in eval mode does, the result
        is the map itself, as in torch.
        """
        data = function(self.data)
        return self if data is self.data else self.like(data)

    # --- the face of a tensor ---------------------------------------------------

    def like(self, data: Tensor, channels_last: bool | None = None) -> Self:
        """Make a map with other values on the same grid."""
        layout = self.channels_last if channels_last is None else channels_last
        return type(self)(data, self.grid, layout)

    def with_data(self, data: Tensor) -> Self:
        """Make a map that differs from this one in its values alone."""
        out = self.like(data)
        out.padding = self.padding
        return out

    @property
    def shape(self) -> torch.Size:
        """Shape of the whole map, masked cells included."""
        pad, batch = self.padding, self.grid.batch_size
        height = self.cells[0] * self.grid.rows + pad.top + pad.bottom
        width = self.cells[1] * self.grid.cols + pad.left + pad.right
        if self.channels_last:
            return torch.Size((batch, height, width, self.channels))
        return torch.Size((batch, self.channels, height, width))

    def require_layout(self, operation: str, channels_last: bool) -> None:
        """Check that an operation meets the channels where it expects them.

        Raises:
            UnsupportedOperationError: If it does not: it would mix cells and channels.
        """
        if self.channels_last != channels_last:
            expected = '[B, H, W, C]' if channels_last else '[B, C, H, W]'
            raise UnsupportedOperationError(
                f'{operation} expects a map in the layout {expected}, got {self}'
            )

    def layout_after(self, dims: Sequence[Any]) -> bool | None:
        """Whether the map shows its channels last after a permute.

        Args:
            dims: The order, as ints or as one sequence of them.

        Returns:
            None if the order is that of neither layout.
        """
        order = dims[0] if len(dims) == 1 and not isinstance(dims[0], int) else dims
        order = tuple(d % 4 for d in order)
        if order == (0, 1, 2, 3):
            return self.channels_last
        if order == ((0, 3, 1, 2) if self.channels_last else (0, 2, 3, 1)):
            return not self.channels_last
        return None

    def permuted_layout(self, dims: Sequence[Any]) -> bool:
        """Whether the map shows its channels last after a permute.

        Raises:
            UnsupportedOperationError: If the order is that of neither layout.
        """
        layout = self.layout_after(dims)
        if layout is None:
            raise UnsupportedOperationError.of('permute', self, f'to the order {dims}')
        return layout

    def check_partner(self, other: SparseMap) -> None:
        """Check that another map can be combined with this one.

        Raises:
            TypeError: If it is of another kind.
            ValueError: If its mask, size or layout differs.
        """
        if type(other) is not type(self):
            raise TypeError(
                f'cannot combine {type(self).__name__} with {type(other).__name__}'
            )
        if other.grid is not self.grid or other.cells != self.cells:
            raise ValueError(
                f'cannot combine maps of different masks or sizes: {self}, {other}'
            )
        if other.channels_last != self.channels_last:
            raise ValueError(f'cannot combine maps of different layouts: {self}, {other}')

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or one entry of it."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        """Number of dimensions: always four."""
        return 4

    ndim = property(dim)

    def numel(self) -> int:
        """Number of values of the whole map, masked cells included."""
        return self.shape.numel()

    @property
    def channel_dim(self) -> int:
        """Position of the channels in the shape, 1 or 3."""
        return 3 if self.channels_last else 1

    @property
    def dtype(self) -> torch.dtype:
        """Data type of the values."""
        return self.data.dtype

    @property
    def device(self) -> torch.device:
        """Device that holds the values."""
        return self.data.device

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to the values."""
        return self.data.requires_grad

    @property
    def is_cuda(self) -> bool:
        """Whether the values are on a CUDA device."""
        return self.data.is_cuda

    def new_empty(self, *args: Any, **kwargs: Any) -> Tensor:
        """Make an ordinary tensor of the same type on the same device."""
        return self.data.new_empty(*args, **kwargs)

    def new_full(self, *args: Any, **kwargs: Any) -> Tensor:
        """Make an ordinary filled tensor of the same type and device."""
        return self.data.new_full(*args, **kwargs)

    def new_ones(self, *args: Any, **kwargs: Any) -> Tensor:
        """Make an ordinary tensor of ones of the same type and device."""
        return self.data.new_ones(*args, **kwargs)

    def new_tensor(self, *args: Any, **kwargs: Any) -> Tensor:
        """Make an ordinary tensor of the same type on the same device."""
        return self.data.new_tensor(*args, **kwargs)

    def new_zeros(self, *args: Any, **kwargs: Any) -> Tensor:
        """Make an ordinary tensor of the same type on the same device."""
        return self.data.new_zeros(*args, **kwargs)

    def is_floating_point(self) -> bool:
        """Whether the values are floating-point numbers."""
        return self.data.is_floating_point()

    def __getstate__(self) -> dict[str, Any]:
        # Copies are maps of their own.
        return {k: v for k, v in vars(self).items() if k not in ('_sources', '_views')}

    def __len__(self) -> int:
        return self.grid.batch_size

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(shape={tuple(self.shape)}, '
            f'visible={len(self.grid.index)} of '
            f'{self.grid.batch_size * self.grid.num_patches} patches, '
            f'dtype={self.dtype}, device={self.device})'
        )

    # --- maps that share their values in torch ------------------------------------

    def note_source(self, source: SparseMap) -> None:
        """Remember that in torch this map would be a view of another."""
        self._sources = (*source._sources, weakref.ref(source))
        for link in self._sources:
            shown = link()
            if shown is not None:
                shown._views = (
                    *(view for view in shown._views if view() is not None),
                    weakref.ref(self),
                )

    def require_sole(self, operation: str) -> None:
        """Check that nobody else would see a change of this map's values.

        Raises:
            UnsupportedOperationError: If a map of which this one is a part, or a part of
                this one, is still in use: in torch it would change as well.
        """
        if any(link() is not None for link in self._sources + self._views):
            raise UnsupportedOperationError.of(
                operation, self, 'it changes a map in place of which a part is in use'
            )

    def take_over(self, operation: str, result: Any) -> Self:
        """Hold the values that an operation in place came to.

        Every holder of this map sees them, while the old ones stay as they were for
        autograd and for other maps that still compute with them.

        Raises:
            UnsupportedOperationError: If the map would have another shape.
            RuntimeError: If torch casts no such values to the type of the map.
        """
        if not isinstance(result, SparseMap) or result.channels != self.channels:
            raise UnsupportedOperationError.of(
                operation, self, 'it changes the shape of a map in place'
            )
        old, new = self.dtype, result.dtype
        if new != old and not torch.can_cast(new, old):
            raise RuntimeError(f"{operation} in place: {new} can't be cast to {old}")
        self.data = result.data if new == old else result.data.to(old)
        return self

    # --- dispatch ---------------------------------------------------------------

    @classmethod
    def dispatch(
        cls, name: str, func: Handler, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Look the operation up in the table of the class and run it.

        Raises:
            UnsupportedOperationError: If the table has no such operation, or it writes
                to ``out`` or to an ordinary tensor.
        """
        args = positional(args, kwargs)
        require_no_out(name, args, kwargs)
        handler = cls.handlers.get(base_name(name))
        if handler is None:
            raise UnsupportedOperationError(
                f"torch operation '{name}' has no exact meaning on {cls.__name__}, a "
                'feature map with masked cells, or is not supported yet. The supported '
                'operations are listed in docs/en/sparse_engine.md. Use an encoder '
                'without it, or run the encoder on dense tensors.'
            )
        if base_name(name) not in _TAKE_PADDING:
            _require_unpadded(name, args)
        inplace = kwargs.pop('inplace', False) or is_inplace(name)
        if not inplace:
            return handler(func, *args, **kwargs)
        if not isinstance(args[0], SparseMap):
            raise UnsupportedOperationError(
                f"torch operation '{name}' would write a map with masked cells into an "
                f"ordinary tensor. Use the result of '{base_name(name)}' instead."
            )
        args[0].require_sole(name)
        result = handler(out_of_place(name, func), *args, **kwargs)
        return args[0].take_over(name, result)
