"""Operations on each value and of two maps, by plain dense tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ..masked_tensor import MaskedTensor, implements
from ..ops.elementwise import ELEMENTWISE, cast, require_map_first
from ..sparse_map import Handler, SparseMap, UnsupportedOperationError


def _plain(other: Any, x: MaskedTensor) -> Any:
    """Bring another operand to a plain value that broadcasts against the map."""
    if isinstance(other, SparseMap):
        x.check_partner(other)
        return other.data
    return other


@implements(*ELEMENTWISE)
def _elementwise(func: Handler, x: Any, *args: Any, **kwargs: Any) -> MaskedTensor:
    require_map_first(func, x)
    values = [_plain(value, x) for value in args]
    named = {name: _plain(value, x) for name, value in kwargs.items()}
    return x.map_values(lambda data: func(data, *values, **named))


MaskedTensor.handlers |= {'to': cast, 'type': cast, 'type_as': cast}


def _binary(function: Handler) -> Handler:
    def handler(func: Handler, a: Any, b: Any, **kwargs: Any) -> MaskedTensor:
        x = a if isinstance(a, MaskedTensor) else b
        return x.masked(function(_plain(a, x), _plain(b, x), **kwargs))

    return handler


MaskedTensor.handlers |= {
    'add': _binary(torch.add),
    'sub': _binary(torch.sub),
    'rsub': _binary(lambda a, b: b - a),
    'mul': _binary(torch.mul),
}


@implements('div')
def _div(func: Handler, a: Any, b: Any, **kwargs: Any) -> MaskedTensor:
    x = a if isinstance(a, MaskedTensor) else b
    divisor = _plain(b, x)
    if isinstance(b, MaskedTensor):  # 0/0 at masked cells would poison gradients
        divisor = divisor.masked_fill(~x.mask, 1.0)
    return x.masked(torch.div(_plain(a, x), divisor, **kwargs))


@implements('rdiv')
def _rdiv(func: Handler, a: Any, b: Any) -> MaskedTensor:
    return _div(func, b, a)


@implements('cat')
def _cat(func: Handler, maps: Sequence[Any], dim: int = 0) -> MaskedTensor:
    x = next(m for m in maps if isinstance(m, MaskedTensor))
    if dim % 4 != x.channel_dim:
        raise UnsupportedOperationError(
            'cat joins maps with masked cells on channels only'
        )
    return x.masked(torch.cat([_plain(m, x) for m in maps], dim))
