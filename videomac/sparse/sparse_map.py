"""What every sparse feature map shows to a network: the face of a torch tensor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from typing_extensions import Self

from .padding import NO_PADDING, Padding
from .patch_grid import PatchGrid

__all__ = ['Handler', 'SparseMap', 'UnsupportedOperationError', 'base_name']

Handler = Callable[..., Any]

#: Method names whose meaning is that of another operation.
_ALIASES = {
    'iadd': 'add',
    'isub': 'sub',
    'imul': 'mul',
    'itruediv': 'div',
    'multiply': 'mul',
    'truediv': 'div',
    'true_divide': 'div',
    'divide': 'div',
    'subtract': 'sub',
    'radd': 'add',
    'rmul': 'mul',
    'rtruediv': 'rdiv',
    'log_sigmoid': 'logsigmoid',
    'concat': 'cat',
    'concatenate': 'cat',
}


#: Operations that a padded map is made for; see :class:`.padding.Padding`.
_TAKE_PADDING = ('conv2d', 'max_pool2d', 'avg_pool2d', 'pad')


class UnsupportedOperationError(NotImplementedError):
    """An operation that has no exact meaning on a map with masked cells."""


def base_name(name: str) -> str:
    """Name of an operation without its in-place and operator decoration."""
    plain = name.strip('_')
    return _ALIASES.get(plain, plain)


def _is_inplace(name: str) -> bool:
    if name.startswith('__'):
        return name.startswith('__i')
    return name.endswith('_')


def _positional(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """Move the operands that torch also takes by keyword to their places."""
    for place, names in enumerate((('input', 'self', 'tensors'), ('other',))):
        for name in names:
            if len(args) == place and name in kwargs:
                args = (*args, kwargs.pop(name))
    return args


def _require_unpadded(name: str, args: tuple[Any, ...]) -> None:
    for arg in args:
        for x in arg if isinstance(arg, list | tuple) else (arg,):
            if isinstance(x, SparseMap) and x.padding:
                raise UnsupportedOperationError(
                    f"torch operation '{name}' on a padded map, {x}: after a padding "
                    'only conv2d, max_pool2d and avg_pool2d have an exact meaning. See '
                    'docs/en/sparse_engine.md.'
                )


class SparseMap(ABC):
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

    @abstractmethod
    def map_values(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Apply a function that acts on each value alone."""

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

    def permuted_layout(self, dims: Sequence[Any]) -> bool:
        """Whether the map shows its channels last after a permute.

        Args:
            dims: The order, as ints or as one sequence of them.

        Raises:
            UnsupportedOperationError: If the order is that of neither layout.
        """
        order = dims[0] if len(dims) == 1 and not isinstance(dims[0], int) else dims
        order = tuple(d % 4 for d in order)
        if order == (0, 1, 2, 3):
            return self.channels_last
        if order == ((0, 3, 1, 2) if self.channels_last else (0, 2, 3, 1)):
            return not self.channels_last
        raise UnsupportedOperationError(
            f'permute{order} of {self} is not supported: only the layouts [B, C, H, W] '
            'and [B, H, W, C] exist'
        )

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

    def new_tensor(self, *args: Any, **kwargs: Any) -> Tensor:
        """Make an ordinary tensor of the same type on the same device."""
        return self.data.new_tensor(*args, **kwargs)

    def new_zeros(self, *args: Any, **kwargs: Any) -> Tensor:
        """Make an ordinary tensor of the same type on the same device."""
        return self.data.new_zeros(*args, **kwargs)

    def is_floating_point(self) -> bool:
        """Whether the values are floating-point numbers."""
        return self.data.is_floating_point()

    def __len__(self) -> int:
        return self.grid.batch_size

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(shape={tuple(self.shape)}, '
            f'visible={len(self.grid.index)} of '
            f'{self.grid.batch_size * self.grid.num_patches} patches, '
            f'dtype={self.dtype}, device={self.device})'
        )

    # --- dispatch ---------------------------------------------------------------

    @classmethod
    def __torch_function__(
        cls,
        func: Handler,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Answer a torch function in which a sparse map takes part."""
        return cls.dispatch(func.__name__, func, args, kwargs or {})

    @classmethod
    def dispatch(
        cls, name: str, func: Handler, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Look the operation up in the table of the class and run it.

        Raises:
            UnsupportedOperationError: If the table has no such operation.
        """
        args = _positional(args, kwargs)
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
        inplace = kwargs.pop('inplace', False) or _is_inplace(name)
        result = handler(func, *args, **kwargs)
        if inplace and isinstance(args[0], SparseMap):
            # Rebinding keeps the meaning of in-place code for the network (every
            # holder of this map sees the new values), while autograd sees a new tensor.
            args[0].data = result.data
            return args[0]
        return result

    def __getattr__(self, name: str) -> Handler:
        # Only reached for names that are no attribute: tensor methods such as x.mul(y).
        func = None if name.startswith('__') else getattr(Tensor, name, None)
        if not callable(func):
            raise AttributeError(f'{type(self).__name__!r} has no attribute {name!r}')

        def method(*args: Any, **kwargs: Any) -> Any:
            return self.dispatch(name, func, (self, *args), kwargs)

        return method

    def __add__(self, other: Any) -> Any:
        return self.dispatch('add', torch.add, (self, other), {})

    def __sub__(self, other: Any) -> Any:
        return self.dispatch('sub', torch.sub, (self, other), {})

    def __mul__(self, other: Any) -> Any:
        return self.dispatch('mul', torch.mul, (self, other), {})

    def __truediv__(self, other: Any) -> Any:
        return self.dispatch('div', torch.div, (self, other), {})

    def __rsub__(self, other: Any) -> Any:
        return self.dispatch('rsub', torch.rsub, (self, other), {})

    def __rtruediv__(self, other: Any) -> Any:
        return self.dispatch('rdiv', torch.div, (self, other), {})

    def __pow__(self, other: Any) -> Any:
        return self.dispatch('pow', torch.pow, (self, other), {})

    def __neg__(self) -> Any:
        return self.dispatch('neg', torch.neg, (self,), {})

    __radd__ = __add__
    __rmul__ = __mul__

    def __iadd__(self, other: Any) -> Any:
        return self.dispatch('__iadd__', torch.add, (self, other), {})

    def __isub__(self, other: Any) -> Any:
        return self.dispatch('__isub__', torch.sub, (self, other), {})

    def __imul__(self, other: Any) -> Any:
        return self.dispatch('__imul__', torch.mul, (self, other), {})

    def __itruediv__(self, other: Any) -> Any:
        return self.dispatch('__itruediv__', torch.div, (self, other), {})
