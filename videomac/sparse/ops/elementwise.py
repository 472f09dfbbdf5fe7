"""Operations that act on each value alone, and those of two maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..patch_tensor import PatchTensor, implements
from ..sparse_map import Handler, SparseMap, UnsupportedOperationError

__all__ = ['ELEMENTWISE']

#: Operations whose value at a cell depends on that value alone.
ELEMENTWISE = (
    *('relu', 'relu6', 'gelu', 'silu', 'mish', 'elu', 'selu', 'celu', 'leaky_relu'),
    *('hardswish', 'hardsigmoid', 'hardtanh', 'sigmoid', 'tanh', 'softplus', 'softsign'),
    *('logsigmoid', 'exp', 'log', 'sqrt', 'rsqrt', 'abs', 'neg', 'square', 'reciprocal'),
    *('clamp', 'clip', 'pow', 'sign', 'dropout', 'detach', 'clone', 'nan_to_num'),
    *('float', 'half', 'bfloat16', 'double', 'cuda', 'cpu'),
)


@implements(*ELEMENTWISE)
def elementwise(func: Handler, x: Any, *args: Any, **kwargs: Any) -> PatchTensor:
    """Apply the function to the visible values."""
    require_map_first(func, x)
    values = [operand(value, x) for value in args]
    named = {name: operand(value, x) for name, value in kwargs.items()}
    return x.map_values(lambda data: func(data, *values, **named))


@implements('to', 'type', 'type_as')
def cast(func: Handler, x: Any, *args: Any, **kwargs: Any) -> Any:
    """Change type or device, of the map or of a tensor to those of the map."""
    if func is Tensor.type and not args:
        return x.data.type()
    plain = [a.data if isinstance(a, SparseMap) else a for a in args]
    if not isinstance(x, SparseMap):
        return func(x, *plain, **kwargs)
    return x.map_values(lambda data: func(data, *plain, **kwargs))


def require_map_first(func: Handler, x: Any) -> None:
    """Check that the map is the first operand.

    Raises:
        UnsupportedOperationError: If it is a later one, as in ``tensor.pow(map)``.
    """
    if not isinstance(x, SparseMap):
        raise UnsupportedOperationError(
            f'{func.__name__} of a {type(x).__name__} and a map with masked cells is not '
            'supported; the map must be the first operand'
        )


def operand(other: Any, x: PatchTensor) -> Any:
    """Bring the other operand of a binary operation to the form of the patches.

    Numbers and single values pass. A tensor is broadcast against the shape of the map:
    one value per channel, per sample and channel, or a whole dense map, whose visible
    cells are taken.
    """
    if isinstance(other, SparseMap):
        x.check_partner(other)
        return other.data
    if not isinstance(other, Tensor) or other.dim() == 0:
        return other
    if other.dim() > 4:
        raise UnsupportedOperationError(
            f'a tensor of shape {tuple(other.shape)} cannot be combined with {x}'
        )
    full = other.reshape((1,) * (4 - other.dim()) + tuple(other.shape))
    if not x.channels_last:
        full = full.permute(0, 2, 3, 1)
    batch, height, width, _ = full.shape
    if batch not in (1, x.grid.batch_size):
        raise ValueError(f'a tensor of shape {tuple(other.shape)} does not fit {x}')
    if height == width == 1:
        return full if batch == 1 else full.index_select(0, x.grid.sample)
    rows, cols = x.grid.rows * x.cells[0], x.grid.cols * x.cells[1]
    full = full.expand(x.grid.batch_size, rows, cols, full.shape[3])
    return x.grid.gather(full, *x.cells)


def _binary(function: Handler, first: Any, second: Any, **kwargs: Any) -> PatchTensor:
    x = first if isinstance(first, PatchTensor) else second
    return x.like(function(operand(first, x), operand(second, x), **kwargs))


@implements('add')
def add(func: Handler, first: Any, second: Any, **kwargs: Any) -> PatchTensor:
    """Add a number, a broadcast tensor or another map on the same mask."""
    return _binary(torch.add, first, second, **kwargs)


@implements('sub')
def sub(func: Handler, first: Any, second: Any, **kwargs: Any) -> PatchTensor:
    """Subtract a number, a broadcast tensor or another map on the same mask."""
    return _binary(torch.sub, first, second, **kwargs)


@implements('rsub')
def rsub(func: Handler, first: Any, second: Any) -> PatchTensor:
    """Subtract the map from a number or a tensor."""
    return _binary(lambda a, b: b - a, first, second)


@implements('mul')
def mul(func: Handler, first: Any, second: Any) -> PatchTensor:
    """Multiply by a number, a broadcast tensor or another map on the same mask."""
    return _binary(torch.mul, first, second)


@implements('div')
def div(func: Handler, first: Any, second: Any, **kwargs: Any) -> PatchTensor:
    """Divide by a number, a broadcast tensor or another map on the same mask."""
    return _binary(torch.div, first, second, **kwargs)


@implements('rdiv')
def rdiv(func: Handler, first: Any, second: Any) -> PatchTensor:
    """Divide a number or a tensor by the map."""
    return _binary(lambda a, b: b / a, first, second)


@implements('cat')
def cat(func: Handler, maps: Sequence[Any], dim: int = 0) -> PatchTensor:
    """Concatenate the channels of maps on the same mask."""
    x = next(m for m in maps if isinstance(m, PatchTensor))
    if dim % 4 != x.channel_dim:
        raise UnsupportedOperationError(
            'cat joins maps with masked cells on channels only'
        )
    return x.like(torch.cat([operand(m, x) for m in maps], dim=3))


@implements('dropout2d', 'feature_dropout')
def dropout2d(
    func: Handler, x: PatchTensor, p: float = 0.5, training: bool = True
) -> PatchTensor:
    """Drop whole channels of a sample."""
    ones = x.new_empty(x.grid.batch_size, 1, 1, x.channels).fill_(1.0)
    keep = F.dropout(ones, p, training)
    return x.like(x.data * keep.index_select(0, x.grid.sample))
