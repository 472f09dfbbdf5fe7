"""Sums, means, norms and extremes of a dense map that is zero where masked."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..masked_tensor import MaskedTensor, implements
from ..ops.reduce import given_dims, vector_order
from ..precision import HALF, norm_dtype, sum_dtype
from ..sparse_map import Handler, UnsupportedOperationError


def _reduced(x: MaskedTensor, total: Tensor, dims: tuple[int, ...], keepdim: bool) -> Any:
    """Return what was reduced with ``keepdim``: a map where all cells are left."""
    if dims == (x.channel_dim,):
        out: Any = x.masked(total)
        return out if keepdim else out.squeeze(x.channel_dim)
    return total if keepdim else total.squeeze(dims)


@implements('sum')
def _sum(
    func: Handler,
    x: MaskedTensor,
    dim: Any = None,
    keepdim: bool = False,
    dtype: torch.dtype | None = None,
) -> Any:
    dims = given_dims(dim, 4)
    return _reduced(x, torch.sum(x.data, dims, True, dtype=dtype), dims, keepdim)


@implements('mean')
def _mean(
    func: Handler,
    x: MaskedTensor,
    dim: Any = None,
    keepdim: bool = False,
    dtype: torch.dtype | None = None,
) -> Any:
    dims = given_dims(dim, 4)
    count = torch.sum(x.mask.expand_as(x.data), dims, True).clamp(min=1)
    total = torch.sum(x.data, dims, True, dtype=dtype or sum_dtype(x.dtype)) / count
    average = total.to(x.dtype) if dtype is None and x.dtype in HALF else total
    return _reduced(x, average, dims, keepdim)


@implements('norm')
def _norm(
    func: Handler,
    x: MaskedTensor,
    p: Any = 2,
    dim: Any = None,
    keepdim: bool = False,
    out: None = None,
    dtype: torch.dtype | None = None,
) -> Any:
    dims, dtype = given_dims(dim, 4), dtype or norm_dtype(x.dtype, x.device)
    total = torch.linalg.vector_norm(x.data, vector_order(p), dims, True, dtype=dtype)
    return _reduced(x, total, dims, keepdim)


@implements('amax')
def _amax(func: Handler, x: MaskedTensor, dim: Any = None, keepdim: bool = False) -> Any:
    dims = given_dims(dim, 4)
    total = x.data.masked_fill(~x.mask, float('-inf')).amax(dims, True)
    return _reduced(x, total.masked_fill(total == float('-inf'), 0.0), dims, keepdim)


@implements('amin')
def _amin(func: Handler, x: MaskedTensor, dim: Any = None, keepdim: bool = False) -> Any:
    dims = given_dims(dim, 4)
    total = x.data.masked_fill(~x.mask, float('inf')).amin(dims, True)
    return _reduced(x, total.masked_fill(total == float('inf'), 0.0), dims, keepdim)


def _extreme(name: str) -> Handler:
    """Handler of max or min: of everything, along the channels, or of two operands."""

    def handler(
        func: Handler, x: Any, dim: Any = None, keepdim: bool = False, **kwargs: Any
    ) -> Any:
        if not isinstance(dim, int | None) or not isinstance(x, MaskedTensor):
            return getattr(torch, name + 'imum')(x, dim)
        if dim is None:
            return getattr(torch, 'a' + name)(x)
        if dim % 4 != x.channel_dim:
            raise UnsupportedOperationError.of(name, x, f'over dimension {dim}')
        out = getattr(torch, name)(x.data, dim, True)
        maps = (x.masked(out.values), x.masked(out.indices))
        kept = maps if keepdim else [m.squeeze(dim) for m in maps]
        return getattr(torch.return_types, name)(kept)

    return handler


MaskedTensor.handlers |= {'max': _extreme('max'), 'min': _extreme('min')}
