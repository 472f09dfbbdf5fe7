"""Operations that are made of others, for every kind of sparse map."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .geometry import as_pair, check_pooling
from .precision import in_float32
from .sparse_map import Handler, SparseMap, UnsupportedOperationError

__all__ = ['COMPOSITE_OPS']

#: Handlers of every kind of map.
COMPOSITE_OPS: dict[str, Handler] = {}


def _implements(*names: str) -> Any:
    def register(handler: Handler) -> Handler:
        for name in names:
            COMPOSITE_OPS[name] = handler
        return handler

    return register


@_implements('var')
@in_float32
def var(
    func: Handler,
    x: Any,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: int | None = None,
) -> Any:
    """Variance of the visible values: the mean of their squared distances."""
    if isinstance(dim, bool):  # torch.var(x, unbiased)
        dim, unbiased = None, dim
    less = int(unbiased) if correction is None else correction
    keep = dim is not None
    centred = x - x.mean(dim, keepdim=True) if keep else x - x.mean()
    count = torch.ones_like(x).sum(dim, keepdim=keepdim)
    total = (centred * centred).sum(dim, keepdim=keepdim)
    return total / (count - less).clamp(min=0)


@_implements('std')
@in_float32
def std(func: Handler, x: Any, *args: Any, **kwargs: Any) -> Any:
    """Square root of the variance of the visible values."""
    return var(func, x, *args, **kwargs).sqrt()


@_implements('var_mean')
def var_mean(func: Handler, x: Any, dim: Any = None, *args: Any, **kwargs: Any) -> Any:
    """Variance and mean of the visible values."""
    keepdim = kwargs.get('keepdim', len(args) > 1 and args[1])
    return var(func, x, dim, *args, **kwargs), x.mean(dim, keepdim=keepdim)


@_implements('std_mean')
def std_mean(func: Handler, x: Any, *args: Any, **kwargs: Any) -> Any:
    """Standard deviation and mean of the visible values."""
    return std(func, x, *args, **kwargs), var_mean(func, x, *args, **kwargs)[1]


@_implements('addcmul')
def addcmul(func: Handler, x: Any, first: Any, second: Any, *, value: Any = 1) -> Any:
    """Add the product of two operands."""
    product = first * second
    return x + (product if value == 1 else product * value)


@_implements('addcdiv')
def addcdiv(func: Handler, x: Any, first: Any, second: Any, *, value: Any = 1) -> Any:
    """Add the quotient of two operands."""
    return x + first / second * value


@_implements('lerp')
def lerp(func: Handler, x: Any, end: Any, weight: Any) -> Any:
    """Move towards another operand by a share of the way."""
    return x + (end - x) * weight


@_implements('glu')
def glu(func: Handler, x: Any, dim: int = -1) -> Any:
    """Weight one half of the channels by the sigmoid of the other."""
    first, second = x.chunk(2, dim)
    return first * second.sigmoid()


@_implements('normalize')
def normalize(
    func: Handler,
    x: Any,
    p: float = 2.0,
    dim: Any = 1,
    eps: float = 1e-12,
    out: None = None,
) -> Any:
    """Divide by the norm along dimensions."""
    return x / x.norm(p, dim, keepdim=True).clamp(min=eps)


@_implements('expand_as')
def expand_as(func: Handler, x: Any, other: Any) -> Any:
    """Broadcast a tensor to the shape of a map (or a map to its own)."""
    if isinstance(x, Tensor):
        return x.expand(other.shape)
    if x.shape != other.shape:
        raise UnsupportedOperationError.of('expand_as', x, f'to {tuple(other.shape)}')
    return x


@_implements('adaptive_avg_pool2d')
def adaptive_avg_pool2d(func: Handler, x: Any, output_size: Any) -> Any:
    """Average the visible cells of each sample; only the global average is defined."""
    _require_global(x, output_size, 'adaptive_avg_pool2d')
    return x.mean((2, 3), keepdim=True)


@_implements('adaptive_max_pool2d')
def adaptive_max_pool2d(
    func: Handler, x: Any, output_size: Any, return_indices: bool = False
) -> Any:
    """Largest visible value of each sample; only the global maximum is defined."""
    check_pooling(x, 'adaptive_max_pool2d', return_indices=return_indices)
    _require_global(x, output_size, 'adaptive_max_pool2d')
    return x.amax((2, 3), keepdim=True)


def _require_global(x: SparseMap, output_size: Any, operation: str) -> None:
    check_pooling(x, operation)
    if as_pair(output_size) != (1, 1):
        raise UnsupportedOperationError.of(
            operation, x, f'size {output_size} mixes patches, only size 1 does not'
        )


@_implements('interpolate', 'upsample')
def interpolate(
    func: Handler,
    x: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = 'nearest',
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    """Resize by integer factors: repeat cells, take some of them, or average them.

    Raises:
        UnsupportedOperationError: If cells of different patches would be mixed.
    """
    x.require_layout('interpolate', channels_last=False)
    old = tuple(x.shape[2:])
    if size is None:
        scales = (
            scale_factor if isinstance(scale_factor, tuple | list) else 2 * [scale_factor]
        )
        new = tuple(int(n * s) for n, s in zip(old, scales, strict=True))
    else:
        new = as_pair(size)
    if new == old:
        return x.like(x.data)
    grows = all(n % o == 0 for n, o in zip(new, old, strict=True))
    shrinks = all(n > 0 and o % n == 0 for n, o in zip(new, old, strict=True))
    nearest = mode in ('nearest', 'nearest-exact')
    if not (grows or shrinks) or not (nearest or mode == 'area'):
        raise UnsupportedOperationError.of(
            'interpolate',
            x,
            f'from {old} to {new} in mode {mode!r} mixes cells that are visible with '
            'others; integer factors in the modes nearest and area do not',
        )
    if grows:
        rows = torch.repeat_interleave(x, new[0] // old[0], 2)
        return torch.repeat_interleave(rows, new[1] // old[1], 3)
    steps = (old[0] // new[0], old[1] // new[1])
    if mode == 'area':
        return F.avg_pool2d(x, steps)
    top, left = (s // 2 if mode == 'nearest-exact' else 0 for s in steps)
    return x[:, :, top :: steps[0], left :: steps[1]]


@_implements('instance_norm')
@in_float32
def instance_norm(
    func: Handler,
    x: Any,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Any:
    """Normalise each channel of each sample over its visible cells.

    As in torch, running statistics are averages over the samples; those of which nothing
    is visible do not take part.
    """
    x.require_layout('instance_norm', channels_last=False)
    if use_input_stats:
        mean = x.mean((2, 3), keepdim=True)
        centred = x - mean
        variance = (centred * centred).mean((2, 3), keepdim=True)
        if running_mean is not None and running_var is not None:
            _remember(x, mean, variance, running_mean, running_var, momentum)
    else:
        assert running_mean is not None
        assert running_var is not None
        centred = x - running_mean[:, None, None]
        variance = running_var[:, None, None]
    scale = (variance + eps).rsqrt()
    if weight is not None:
        scale = scale * weight[:, None, None]
    out = centred * scale
    return out if bias is None else out + bias[:, None, None]


@torch.no_grad()
def _remember(
    x: Any,
    mean: Tensor,
    variance: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    momentum: float,
) -> None:
    """Move running statistics towards those of the samples."""
    cells = (x.grid.counts * (x.cells[0] * x.cells[1])).to(x.dtype)
    share = (cells > 0).to(x.dtype) / (cells > 0).sum().clamp(min=1)
    unbiased = variance[:, :, 0, 0] * (cells / (cells - 1).clamp(min=1))[:, None]
    for running, new in ((running_mean, mean[:, :, 0, 0]), (running_var, unbiased)):
        running.lerp_((share[:, None] * new).sum(0).to(running.dtype), momentum)
