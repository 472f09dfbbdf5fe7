"""Sums, means and norms of a dense map that is zero where masked."""

from __future__ import annotations

from typing import Any

import torch

from ..masked_tensor import MaskedTensor, implements
from ..ops.reduce import vector_order
from ..sparse_map import Handler


def _space(x: MaskedTensor, dim: Any) -> bool:
    """Whether a reduction removes masked cells (else it is over channels alone)."""
    dims = range(4) if dim is None else [dim] if isinstance(dim, int) else dim
    return {d % 4 for d in dims} != {x.channel_dim}


@implements('sum')
def _sum(
    func: Handler,
    x: MaskedTensor,
    dim: Any = None,
    keepdim: bool = False,
    dtype: torch.dtype | None = None,
) -> Any:
    total = torch.sum(x.data, dim, keepdim=keepdim, dtype=dtype)
    return total if _space(x, dim) else x.masked(total)


@implements('mean')
def mean(
    func: Handler,
    x: MaskedTensor,
    dim: Any = None,
    keepdim: bool = False,
    dtype: torch.dtype | None = None,
) -> Any:
    if not _space(x, dim):
        return x.masked(torch.mean(x.data, dim, keepdim=keepdim, dtype=dtype))
    count = torch.sum(x.mask.expand_as(x.data), dim, keepdim=keepdim)
    return torch.sum(x.data, dim, keepdim=keepdim, dtype=dtype) / count


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
    order = vector_order(p)
    total = torch.linalg.vector_norm(x.data, order, dim, keepdim, dtype=dtype)
    return total if _space(x, dim) else x.masked(total)
