"""The reference sparse feature map: a dense tensor, zero where masked.

Everything is written the plain way, with dense operations and the mask, so that it can
be read as the definition and serve as the oracle for the fast implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from .geometry import Window, as_pair, check_pooling
from .ops.elementwise import ELEMENTWISE, cast, require_map_first
from .ops.reduce import vector_order
from .patch_grid import PatchGrid
from .sparse_map import Handler, SparseMap, UnsupportedOperationError

__all__ = ['MaskedTensor']


class MaskedTensor(SparseMap):
    """A feature map held as a dense tensor that is zero at masked cells.

    ``data`` has the shape that the map shows: [B, C, H, W] or [B, H, W, C].
    """

    handlers: ClassVar[dict[str, Handler]] = {}

    @classmethod
    def from_dense(cls, images: Tensor, grid: PatchGrid) -> MaskedTensor:
        """Mask a dense map of shape [B, C, H, W]."""
        h, w = grid.check_map(images)
        return cls(images.masked_fill(~grid.cell_mask(h, w)[:, None], 0.0), grid)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.data.shape[self.channel_dim]

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns of cells that one patch covers."""
        first = 1 if self.channels_last else 2
        height, width = self.data.shape[first : first + 2]
        return height // self.grid.rows, width // self.grid.cols

    @property
    def mask(self) -> Tensor:
        """True at visible cells, bool, broadcastable to the map."""
        return self.grid.cell_mask(*self.cells).unsqueeze(self.channel_dim)

    def dense(self) -> Tensor:
        """Return the map as a tensor of shape [B, C, H, W], zero at masked cells."""
        return self.data.permute(0, 3, 1, 2) if self.channels_last else self.data

    def masked(self, data: Tensor) -> MaskedTensor:
        """Make a map of dense values in the same layout, zeroing what is masked."""
        out = self.like(data)
        out.data = data.masked_fill(~out.mask, 0.0)
        return out

    def map_values(self, function: Callable[[Tensor], Tensor]) -> MaskedTensor:
        """Apply a function that acts on each value alone."""
        return self.masked(function(self.data))

    def of_visible(self, function: Callable[[Tensor], Tensor]) -> MaskedTensor:
        """Apply a function to the matrix [cells, C] of all visible cells."""
        last = self.data if self.channels_last else self.data.permute(0, 2, 3, 1)
        where = self.grid.cell_mask(*self.cells)
        values = function(last[where])
        out = values.new_zeros(*last.shape[:3], values.shape[1])
        out = out.index_put((where,), values)
        return self.like(out if self.channels_last else out.permute(0, 3, 1, 2))


def implements(*names: str) -> Callable[[Handler], Handler]:
    """Enter a handler of :class:`MaskedTensor` under the names of its operations."""

    def register(handler: Handler) -> Handler:
        for name in names:
            MaskedTensor.handlers[name] = handler
        return handler

    return register


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


@implements('permute')
def _permute(func: Handler, x: MaskedTensor, *dims: Any) -> MaskedTensor:
    return x.like(x.data.permute(*dims), channels_last=x.permuted_layout(dims))


@implements('contiguous')
def _contiguous(func: Handler, x: MaskedTensor, **kwargs: Any) -> MaskedTensor:
    return x.like(x.data.contiguous())


@implements('conv2d')
def _conv2d(
    func: Handler,
    x: MaskedTensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> MaskedTensor:
    x.require_layout('conv2d', channels_last=False)
    Window.make(weight.shape[2:], stride, padding, dilation).output_cells(x, 'conv2d')
    return x.masked(F.conv2d(x.data, weight, bias, stride, padding, dilation, groups))


@implements('linear')
def _linear(
    func: Handler, x: MaskedTensor, weight: Tensor, bias: Tensor | None = None
) -> MaskedTensor:
    x.require_layout('linear', channels_last=True)
    return x.masked(F.linear(x.data, weight, bias))


@implements('max_pool2d')
def _max_pool2d(
    func: Handler,
    x: MaskedTensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> MaskedTensor:
    check_pooling(x, 'max_pool2d', ceil_mode=ceil_mode, return_indices=return_indices)
    view = Window.make(kernel_size, stride or kernel_size, padding, dilation)
    view.output_cells(x, 'max_pool2d')
    values = x.data.masked_fill(~x.mask, float('-inf'))
    out = F.max_pool2d(values, kernel_size, stride, padding, dilation)
    return x.masked(out.masked_fill(out == float('-inf'), 0.0))


@implements('avg_pool2d')
def _avg_pool2d(
    func: Handler,
    x: MaskedTensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> MaskedTensor:
    check_pooling(x, 'avg_pool2d', ceil_mode=ceil_mode, divisor_override=divisor_override)
    view = Window.make(kernel_size, stride or kernel_size, padding)
    view.output_cells(x, 'avg_pool2d')
    pad = [view.padding[1], view.padding[1], view.padding[0], view.padding[0]]
    counted = F.pad(x.mask.to(x.dtype), pad, value=float(count_include_pad))
    total = F.avg_pool2d(F.pad(x.data, pad), view.kernel, view.stride)
    share = F.avg_pool2d(counted, view.kernel, view.stride)
    return x.masked(total / share.clamp(min=torch.finfo(x.dtype).tiny))


@implements('batch_norm')
def _batch_norm(
    func: Handler, x: MaskedTensor, *args: Any, **kwargs: Any
) -> MaskedTensor:
    x.require_layout('batch_norm', channels_last=False)
    return x.of_visible(lambda cells: F.batch_norm(cells, *args, **kwargs))


@implements('layer_norm')
def _layer_norm(
    func: Handler, x: MaskedTensor, normalized_shape: Any, *args: Any, **kwargs: Any
) -> MaskedTensor:
    x.require_layout('layer_norm', channels_last=True)
    if tuple(normalized_shape) != (x.channels,):
        raise UnsupportedOperationError(
            f'layer_norm over {tuple(normalized_shape)} of {x}: only channels are'
            ' normalised'
        )
    return x.masked(F.layer_norm(x.data, (x.channels,), *args, **kwargs))


@implements('group_norm')
def _group_norm(
    func: Handler,
    x: MaskedTensor,
    groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> MaskedTensor:
    x.require_layout('group_norm', channels_last=False)
    mask = x.mask.expand_as(x.data).unflatten(1, (groups, -1)).flatten(2)
    values = x.data.unflatten(1, (groups, -1)).flatten(2)
    count = mask.sum(2, keepdim=True).clamp(min=1)
    mean = values.sum(2, keepdim=True) / count
    var = ((values - mean) ** 2 * mask).sum(2, keepdim=True) / count
    normed = ((values - mean) / (var + eps).sqrt()).reshape(x.data.shape)
    if weight is not None:
        normed = normed * weight[:, None, None]
    if bias is not None:
        normed = normed + bias[:, None, None]
    return x.masked(normed)


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
def _mean(
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


@implements('adaptive_avg_pool2d')
def _adaptive_avg_pool2d(func: Handler, x: MaskedTensor, output_size: Any) -> Any:
    if as_pair(output_size) != (1, 1):
        raise UnsupportedOperationError(f'adaptive_avg_pool2d to {output_size}')
    check_pooling(x, 'adaptive_avg_pool2d')
    return _mean(func, x, (2, 3), keepdim=True)
