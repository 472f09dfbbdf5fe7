"""Pooling over visible cells."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F

from ..geometry import Window, as_pair, check_pooling
from ..patch_tensor import PatchTensor, implements
from ..sparse_map import Handler, UnsupportedOperationError
from .conv import window
from .reduce import mean

__all__ = ['adaptive_avg_pool2d', 'avg_pool2d', 'max_pool2d']


@implements('max_pool2d')
def max_pool2d(
    func: Handler,
    x: PatchTensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> PatchTensor:
    """Maximum over the visible cells of each window."""
    check_pooling(x, 'max_pool2d', ceil_mode=ceil_mode, return_indices=return_indices)
    view = Window.make(kernel_size, stride or kernel_size, padding, dilation)
    cells_out = view.output_cells(x, 'max_pool2d')
    values = window(x, view, cells_out, fill=float('-inf')).permute(0, 3, 1, 2)
    out = F.max_pool2d(values, view.kernel, view.stride, dilation=view.dilation)
    if not view.holds_own_cell:  # a dilated window may see nothing
        out = out.masked_fill(out == float('-inf'), 0.0)
    return x.like(out.permute(0, 2, 3, 1).contiguous())


@implements('avg_pool2d')
def avg_pool2d(
    func: Handler,
    x: PatchTensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> PatchTensor:
    """Average over the visible cells of each window.

    Cells of the padding count as in the dense operation (``count_include_pad``), so that
    an image without masked patches is pooled as usual.
    """
    check_pooling(x, 'avg_pool2d', ceil_mode=ceil_mode, divisor_override=divisor_override)
    view = Window.make(kernel_size, stride or kernel_size, padding)
    cells_out = view.output_cells(x, 'avg_pool2d')
    total = F.avg_pool2d(
        window(x, view, cells_out).permute(0, 3, 1, 2),
        view.kernel,
        view.stride,
        divisor_override=1,
    )
    mask = x.grid.cell_mask(*x.cells)[:, None].to(x.dtype)
    mask = F.pad(
        mask, [view.padding[1]] * 2 + [view.padding[0]] * 2, value=count_include_pad
    )
    seen = F.avg_pool2d(mask, view.kernel, view.stride, divisor_override=1)
    count = x.grid.gather(seen.permute(0, 2, 3, 1), *cells_out)
    return x.like(total.permute(0, 2, 3, 1) / count)


@implements('adaptive_avg_pool2d')
def adaptive_avg_pool2d(func: Handler, x: PatchTensor, output_size: Any) -> Any:
    """Average the visible cells of each sample; only the global average is defined."""
    if as_pair(output_size) != (1, 1):
        raise UnsupportedOperationError(
            f'adaptive_avg_pool2d to {output_size} mixes patches; only size 1 is'
            ' supported'
        )
    check_pooling(x, 'adaptive_avg_pool2d')
    return mean(func, x, (2, 3), keepdim=True)
