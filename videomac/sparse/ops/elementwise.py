"""Operations that act on each value alone, and those of two maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..patch_tensor import PatchTensor, implements
from ..sparse_map import Handler, SparseMap, UnsupportedOperationError

__all__ = ['BINARY', 'CASTS', 'ELEMENTWISE', 'operand', 'require_channels']

#: Operations whose value at a cell depends on that value alone.
ELEMENTWISE = (
    *('relu', 'relu6', 'gelu', 'silu', 'mish', 'elu', 'selu', 'celu', 'leaky_relu'),
    *('hardswish', 'hardsigmoid', 'hardtanh', 'sigmoid', 'tanh', 'softplus', 'softsign'),
    *('logsigmoid', 'exp', 'log', 'sqrt', 'rsqrt', 'abs', 'neg', 'square', 'reciprocal'),
    *('clamp', 'clip', 'pow', 'sign', 'dropout', 'clone', 'nan_to_num'),
    *('clamp_min', 'clamp_max', 'threshold', 'hardshrink', 'softshrink', 'tanhshrink'),
    *('erf', 'sin', 'cos', 'exp2', 'expm1', 'log2', 'log10', 'log1p', 'floor', 'ceil'),
    *('round', 'logical_not', 'masked_fill'),
)

#: Operations that change the type, the device or the graph of the values.
CASTS = (
    *('float', 'half', 'bfloat16', 'double', 'cuda', 'cpu', 'to', 'type', 'type_as'),
    'detach',
)


@implements(*ELEMENTWISE)
def elementwise(func: Handler, x: Any, *args: Any, **kwargs: Any) -> PatchTensor:
    """Apply the function to the visible values."""
    require_map_first(func, x)
    values = [operand(value, x) for value in args]
    named = {name: operand(value, x) for name, value in kwargs.items()}
    return x.map_values(lambda data: func(data, *values, **named))


@implements(*CASTS)
def cast(func: Handler, x: Any, *args: Any, **kwargs: Any) -> Any:
    """Change type or device, of the map or of a tensor to those of the map.

    Where nothing is to be changed the result is the map itself, as in torch.
    """
    if func is Tensor.type and not args:
        return x.data.type()
    plain = [a.data if isinstance(a, SparseMap) else a for a in args]
    if not isinstance(x, SparseMap):
        return func(x, *plain, **kwargs)
    data = func(x.data, *plain, **kwargs)
    if data is x.data:
        return x
    out = x.like(data)
    if func.__name__ == 'detach':
        out.note_source(x)
    return out


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
    rows, cols = x.grid.rows * x.cells[0], x.grid.cols * x.cells[1]
    fits = batch in (1, x.grid.batch_size) and height in (1, rows) and width in (1, cols)
    if not fits:
        raise ValueError(f'a tensor of shape {tuple(other.shape)} does not fit {x}')
    if full.stride(1) == full.stride(2) == 0:  # expanded: every cell has the same value
        full, height, width = full[:, :1, :1], 1, 1
    if height == width == 1:
        return full if batch == 1 else full.index_select(0, x.grid.sample)
    full = full.expand(x.grid.batch_size, rows, cols, full.shape[3])
    return x.grid.gather(full, *x.cells)


#: Operations of two operands, either of which may be a number, a broadcast tensor or a
#: map on the same mask.
BINARY: dict[str, Handler] = {
    'add': torch.add,
    'sub': torch.sub,
    'rsub': torch.rsub,
    'mul': torch.mul,
    'div': torch.div,
    'rdiv': lambda a, b: b / a,
    'maximum': torch.maximum,
    'minimum': torch.minimum,
    'eq': torch.eq,
    'ne': torch.ne,
    'gt': torch.gt,
    'ge': torch.ge,
    'lt': torch.lt,
    'le': torch.le,
    'logical_and': torch.logical_and,
    'logical_or': torch.logical_or,
}


def _binary(function: Handler) -> Handler:
    def handler(func: Handler, first: Any, second: Any, **kwargs: Any) -> PatchTensor:
        x = first if isinstance(first, PatchTensor) else second
        return x.like(function(operand(first, x), operand(second, x), **kwargs))

    return handler


PatchTensor.handlers |= {name: _binary(function) for name, function in BINARY.items()}


@implements('where')
def where(func: Handler, condition: Any, first: Any, second: Any) -> PatchTensor:
    """Choose between two operands where a condition holds; maps or tensors."""
    operands = (condition, first, second)
    x = next(m for m in operands if isinstance(m, PatchTensor))
    return x.like(torch.where(*(operand(m, x) for m in operands)))


@implements('prelu')
def prelu(func: Handler, x: PatchTensor, weight: Tensor) -> PatchTensor:
    """Scale negative values by one slope, or by one of each channel."""
    x.require_layout('prelu', channels_last=False)
    return x.like(torch.where(x.data > 0, x.data, weight * x.data))


@implements('softmax', 'log_softmax')
def softmax(
    func: Handler, x: PatchTensor, dim: int | None = None, *args: Any, **kwargs: Any
) -> PatchTensor:
    """Normalise the channels of each cell."""
    require_channels(func.__name__, x, dim)
    return x.map_values(lambda data: func(data, -1, *args, **kwargs))


def require_channels(name: str, x: SparseMap, dim: int | None) -> None:
    """Check that a dimension is that of the channels.

    Raises:
        UnsupportedOperationError: If it holds samples or cells.
    """
    if dim is None or dim % 4 != x.channel_dim:
        raise UnsupportedOperationError.of(
            name, x, f'dimension {dim} is not that of the channels'
        )


@implements('cat')
def cat(func: Handler, maps: Sequence[Any], dim: int = 0) -> PatchTensor:
    """Concatenate the channels of maps on the same mask."""
    x = next(m for m in maps if isinstance(m, PatchTensor))
    if dim % 4 != x.channel_dim:
        raise UnsupportedOperationError(
            'cat joins maps with masked cells on channels only'
        )
    return x.like(torch.cat([operand(m, x) for m in maps], dim=3))


@implements('ones_like', 'zeros_like', 'empty_like', 'rand_like', 'randn_like')
def make_like(func: Handler, x: PatchTensor, **kwargs: Any) -> PatchTensor:
    """Make a map of the same shape on the same mask."""
    return x.like(func(x.data, **kwargs))


@implements('dropout2d', 'feature_dropout')
def dropout2d(
    func: Handler, x: PatchTensor, p: float = 0.5, training: bool = True
) -> PatchTensor:
    """Drop whole channels of a sample."""
    if not training:
        return x
    ones = x.new_empty(x.grid.batch_size, 1, 1, x.channels).fill_(1.0)
    keep = F.dropout(ones, p)
    return x.like(x.data * keep.index_select(0, x.grid.sample))
