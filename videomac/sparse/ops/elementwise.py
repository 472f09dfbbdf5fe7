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
    *('clamp', 'clip', 'pow', 'sign', 'dropout', 'detach', 'clone', 'to', 'float'),
    *('half', 'bfloat16', 'double', 'type', 'type_as', 'cuda', 'cpu', 'nan_to_num'),
)


@implements(*ELEMENTWISE)
def elementwise(func: Handler, x: PatchTensor, *args: Any, **kwargs: Any) -> PatchTensor:
    """Apply the function to the visible values."""
    return x.map_values(lambda data: func(data, *args, **kwargs))


def operand(other: Any, x: PatchTensor) -> Any:
    """Bring the other operand of a binary operation to the form of the patches.

    Numbers and single values pass. A tensor is broadcast against the shape of the map:
    one value per channel, per sample and channel, or a whole dense map, whose visible
    cells are taken.
    """
    if isinstance(other, PatchTensor):
        if other.grid is not x.grid or other.cells != x.cells:
            raise ValueError(
                f'cannot combine maps of different masks or sizes: {x}, {other}'
            )
        if other.channels_last != x.channels_last:
            raise ValueError(f'cannot combine maps of different layouts: {x}, {other}')
        return other.data
    if isinstance(other, SparseMap):
        raise TypeError(f'cannot combine {type(x).__name__} with {type(other).__name__}')
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
    if height == width == 1:
        return full if batch == 1 else full.index_select(0, x.grid.sample)
    rows, cols = x.grid.rows * x.cells[0], x.grid.cols * x.cells[1]
    full = full.expand(x.grid.batch_size, rows, cols, full.shape[3])
    return x.grid.gather(full, *x.cells)


def _binary(function: Handler, first: Any, second: Any, **kwargs: Any) -> PatchTensor:
    x = first if isinstance(first, PatchTensor) else second
    a, b = (v.data if v is x else operand(v, x) for v in (first, second))
    return x.like(function(a, b, **kwargs))


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
    return x.like(torch.cat([m.data if m is x else operand(m, x) for m in maps], dim=3))


@implements('dropout2d', 'feature_dropout')
def dropout2d(
    func: Handler, x: PatchTensor, p: float = 0.5, training: bool = True
) -> PatchTensor:
    """Drop whole channels of a sample."""
    ones = x.new_empty(x.grid.batch_size, 1, 1, x.channels).fill_(1.0)
    keep = F.dropout(ones, p, training)
    return x.like(x.data * keep.index_select(0, x.grid.sample))
