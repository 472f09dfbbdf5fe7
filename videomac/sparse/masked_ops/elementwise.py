"""Operations on each value and of two maps, by plain dense tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..masked_tensor import MaskedTensor, implements
from ..ops.elementwise import (
    BINARY,
    CASTS,
    ELEMENTWISE,
    cast,
    require_channels,
    require_map_first,
)
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


MaskedTensor.handlers |= dict.fromkeys(CASTS, cast)


def _binary(function: Handler) -> Handler:
    def handler(func: Handler, a: Any, b: Any, **kwargs: Any) -> MaskedTensor:
        x = a if isinstance(a, MaskedTensor) else b
        return x.masked(function(_plain(a, x), _plain(b, x), **kwargs))

    return handler


MaskedTensor.handlers |= {name: _binary(function) for name, function in BINARY.items()}


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


@implements('where')
def _where(func: Handler, condition: Any, a: Any, b: Any) -> MaskedTensor:
    x = next(m for m in (condition, a, b) if isinstance(m, MaskedTensor))
    return x.masked(torch.where(*(_plain(m, x) for m in (condition, a, b))))


@implements('prelu')
def _prelu(func: Handler, x: MaskedTensor, weight: Tensor) -> MaskedTensor:
    x.require_layout('prelu', channels_last=False)
    return x.masked(F.prelu(x.data, weight))


@implements('softmax', 'log_softmax')
def _softmax(
    func: Handler, x: MaskedTensor, dim: int | None = None, *args: Any, **kwargs: Any
) -> MaskedTensor:
    require_channels(func.__name__, x, dim)
    return x.masked(func(x.data, dim, *args, **kwargs))


@implements('ones_like', 'zeros_like', 'empty_like', 'rand_like', 'randn_like')
def _make_like(func: Handler, x: MaskedTensor, **kwargs: Any) -> MaskedTensor:
    return x.masked(func(x.data, **kwargs))


@implements('dropout2d', 'feature_dropout')
def _dropout2d(
    func: Handler, x: MaskedTensor, p: float = 0.5, training: bool = True
) -> MaskedTensor:
    if not training:
        return x
    data = x.data.permute(0, 3, 1, 2) if x.channels_last else x.data
    out = F.dropout2d(data, p)
    return x.masked(out.permute(0, 2, 3, 1) if x.channels_last else out)
