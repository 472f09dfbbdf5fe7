"""The face of a torch tensor: functions, methods and operators lead to one dispatch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    'Handler',
    'TensorFace',
    'UnsupportedOperationError',
    'base_name',
    'is_inplace',
    'out_of_place',
    'positional',
    'require_no_out',
]

Handler = Callable[..., Any]

#: Method names whose meaning is that of another operation.
_ALIASES = {
    'iadd': 'add',
    'isub': 'sub',
    'imul': 'mul',
    'ipow': 'pow',
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
    'swapaxes': 'transpose',
    'swapdims': 'transpose',
    'moveaxis': 'movedim',
    'rmatmul': 'matmul',
}


class UnsupportedOperationError(NotImplementedError):
    """An operation that has no exact meaning on a map with masked cells."""

    @classmethod
    def of(cls, name: str, x: Any, reason: str) -> UnsupportedOperationError:
        """Make the error of an operation, by its name, on a map, for a reason."""
        return cls(
            f"torch operation '{name}' on {x} is not supported: {reason}. The supported "
            'operations are listed in docs/en/sparse_engine.md.'
        )


def base_name(name: str) -> str:
    """Name of an operation without its in-place and operator decoration."""
    plain = name.strip('_')
    return _ALIASES.get(plain, plain)


def is_inplace(name: str) -> bool:
    """Whether an operation of that name changes its first operand."""
    if name.startswith('__'):
        return name.startswith('__i') and name != '__invert__'
    return name.endswith('_')


def out_of_place(name: str, func: Handler) -> Handler:
    """Function that returns what one of that name writes into its first operand.

    Args:
        name: Name of the function.
        func: The function itself; it is returned if it writes nowhere.
    """
    if not name.endswith('_') or name.startswith('__'):
        return func
    plain = name[:-1]
    home: Any = next(home for home in (Tensor, torch, F) if hasattr(home, plain))
    function: Handler = getattr(home, plain)
    return function


def positional(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """Move the operands that torch also takes by keyword to their places."""
    for place, names in enumerate((('input', 'self', 'tensors'), ('other',))):
        for name in names:
            if len(args) == place and name in kwargs:
                args = (*args, kwargs.pop(name))
    return args


def require_no_out(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Check that an operation need not write its result to a given tensor or map.

    Raises:
        UnsupportedOperationError: If it does.
    """
    if kwargs.get('out') is not None:
        raise UnsupportedOperationError.of(name, args[0], 'it writes to out=')


def _has_values(other: object) -> bool:
    """Whether a map is compared with it value by value; it differs from all else."""
    return isinstance(other, int | float | Tensor | TensorFace)


class TensorFace(ABC):
    """Takes part in torch calls without being a tensor.

    Functions of torch, methods of tensors and operators all come to :meth:`dispatch`.
    """

    @classmethod
    @abstractmethod
    def dispatch(
        cls, name: str, func: Handler, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Carry out the operation of that name."""

    @classmethod
    def __torch_function__(
        cls,
        func: Handler,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Answer a torch function in which an object of the class takes part."""
        return cls.dispatch(func.__name__, func, args, dict(kwargs or {}))

    def __getattr__(self, name: str) -> Handler:
        # Only reached for names that are no attribute: tensor methods such as x.mul(y).
        func = None if name.startswith('__') else getattr(Tensor, name, None)
        if not callable(func):
            raise AttributeError(f'{type(self).__name__!r} has no attribute {name!r}')

        def method(*args: Any, **kwargs: Any) -> Any:
            return self.dispatch(name, func, (self, *args), kwargs)

        return method

    def __getitem__(self, index: Any) -> Any:
        return self.dispatch('getitem', Tensor.__getitem__, (self, index), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        self.dispatch('setitem', Tensor.__setitem__, (self, index, value), {})

    def __bool__(self) -> bool:
        # Its length would make every map true.
        return bool(self.dispatch('bool', Tensor.__bool__, (self,), {}))

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

    def __rpow__(self, other: Any) -> Any:
        return self.dispatch('pow', torch.pow, (other, self), {})

    def __mod__(self, other: Any) -> Any:
        return self.dispatch('remainder', torch.remainder, (self, other), {})

    def __floordiv__(self, other: Any) -> Any:
        return self.dispatch('floor_divide', torch.floor_divide, (self, other), {})

    def __matmul__(self, other: Any) -> Any:
        return self.dispatch('matmul', torch.matmul, (self, other), {})

    def __and__(self, other: Any) -> Any:
        return self.dispatch('bitwise_and', torch.bitwise_and, (self, other), {})

    def __or__(self, other: Any) -> Any:
        return self.dispatch('bitwise_or', torch.bitwise_or, (self, other), {})

    def __eq__(self, other: object) -> Any:
        if not _has_values(other):
            return NotImplemented
        return self.dispatch('eq', torch.eq, (self, other), {})

    def __ne__(self, other: object) -> Any:
        if not _has_values(other):
            return NotImplemented
        return self.dispatch('ne', torch.ne, (self, other), {})

    # Equal values do not make two maps one: sets and dictionaries go by identity.
    __hash__ = object.__hash__

    def __gt__(self, other: Any) -> Any:
        return self.dispatch('gt', torch.gt, (self, other), {})

    def __ge__(self, other: Any) -> Any:
        return self.dispatch('ge', torch.ge, (self, other), {})

    def __lt__(self, other: Any) -> Any:
        return self.dispatch('lt', torch.lt, (self, other), {})

    def __le__(self, other: Any) -> Any:
        return self.dispatch('le', torch.le, (self, other), {})

    def __neg__(self) -> Any:
        return self.dispatch('neg', torch.neg, (self,), {})

    def __abs__(self) -> Any:
        return self.dispatch('abs', torch.abs, (self,), {})

    def __invert__(self) -> Any:
        return self.dispatch('bitwise_not', torch.bitwise_not, (self,), {})

    __radd__ = __add__
    __rmul__ = __mul__
    __rand__ = __and__
    __ror__ = __or__

    def __iadd__(self, other: Any) -> Any:
        return self.dispatch('__iadd__', torch.add, (self, other), {})

    def __isub__(self, other: Any) -> Any:
        return self.dispatch('__isub__', torch.sub, (self, other), {})

    def __imul__(self, other: Any) -> Any:
        return self.dispatch('__imul__', torch.mul, (self, other), {})

    def __itruediv__(self, other: Any) -> Any:
        return self.dispatch('__itruediv__', torch.div, (self, other), {})

    def __ipow__(self, other: Any) -> Any:
        return self.dispatch('__ipow__', torch.pow, (self, other), {})
