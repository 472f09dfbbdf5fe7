"""Pooling over visible cells."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..geometry import Window, check_pooling
from ..patch_grid import PatchGrid
from ..patch_tensor import PatchTensor, implements
from ..sparse_map import Handler
from .cells import add_to_cells
from .halo_convolution import read_windows
from .pad import padded_dense

__all__ = ['avg_pool2d', 'max_pool2d']


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
    check_pooling(x, 'max_pool2d', return_indices=return_indices)
    view = Window.make(kernel_size, stride or kernel_size, padding, dilation).over(x)
    view = view.rounded_up(x) if ceil_mode else view
    cells_out = view.output_cells(x, 'max_pool2d')
    lowest = float('-inf')
    if not x.padding.fills_with(lowest):  # cells of the padding take part
        dense = padded_dense(x, lowest)
        out = F.max_pool2d(dense, kernel_size, stride, padding, dilation, ceil_mode)
        data = x.grid.gather(out.permute(0, 2, 3, 1), *cells_out)
        return x.like(data.masked_fill(data == lowest, 0.0))
    out = _MaxPool.apply(x.data, x.grid, view)
    if not view.holds_own_cell:  # a dilated or shifted window may see nothing
        out = out.masked_fill(out == lowest, 0.0)
    return x.like(out)


class _MaxPool(torch.autograd.Function):
    """Maximum over windows, which keeps for the backward pass only where it was."""

    @staticmethod
    def forward(ctx: Any, data: Tensor, grid: PatchGrid, view: Window) -> Tensor:
        """Pool patches: [N, h, w, C] -> [N, h', w', C], -inf if nothing is visible."""
        windows = read_windows(data, grid, view, float('-inf')).permute(0, 3, 1, 2)
        out, place = F.max_pool2d(
            windows, view.kernel, view.stride, 0, view.dilation, return_indices=True
        )
        small = windows.shape[2] * windows.shape[3] <= torch.iinfo(torch.int16).max
        place = place.permute(0, 2, 3, 1).to(torch.int16 if small else torch.int32)
        ctx.save_for_backward(place.contiguous())
        ctx.grid, ctx.view, ctx.shape = grid, view, data.shape
        return out.permute(0, 2, 3, 1).contiguous()

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        """Hand each gradient to the cell that was the maximum."""
        (place,) = ctx.saved_tensors
        _, h, w, channels = ctx.shape
        start, length = ctx.view.reach((grad.shape[1], grad.shape[2]))
        table = ctx.grid.window_table((h, w), start, length).flatten(1)
        cells = table.gather(1, place.flatten(1).long()).view(-1, channels)
        return add_to_cells(grad.reshape(-1, channels), cells, ctx.shape), None, None


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
    check_pooling(x, 'avg_pool2d', divisor_override=divisor_override)
    view = Window.make(kernel_size, stride or kernel_size, padding).over(x)
    view = view.rounded_up(x) if ceil_mode else view
    cells_out = view.output_cells(x, 'avg_pool2d')
    if view.kernel == view.stride and not any(view.padding + view.padding_end):
        out = F.avg_pool2d(x.data.permute(0, 3, 1, 2), view.kernel)
        return x.like(out.permute(0, 2, 3, 1).contiguous())
    if x.padding.fills_with(0.0):
        values = read_windows(x.data, x.grid, view).permute(0, 3, 1, 2)
        total = F.avg_pool2d(values, view.kernel, view.stride, divisor_override=1)
        total = total.permute(0, 2, 3, 1)
    else:
        values = _pad_window(padded_dense(x), x, view, 0.0)
        total = _gathered_sum(values, x, view, cells_out)
    mask = x.grid.cell_mask(*x.cells)[:, None].to(x.dtype)
    mask = x.padding.applied(mask, value=1.0)
    mask = _pad_window(mask, x, view, float(count_include_pad))
    count = _gathered_sum(mask, x, view, cells_out)
    if not view.holds_own_cell:  # a shifted window may see nothing
        count = count.clamp(min=1.0)
    return x.like(total / count)


def _pad_window(dense: Tensor, x: PatchTensor, view: Window, value: float) -> Tensor:
    """Add the window's own padding to a padded dense map, and what hangs over."""
    pad, over = x.padding, view.overhang
    own = [
        *(view.padding[1] - pad.left, view.padding_end[1] - pad.right - over[1]),
        *(view.padding[0] - pad.top, view.padding_end[0] - pad.bottom - over[0]),
    ]
    return F.pad(F.pad(dense, own, value=value), (0, over[1], 0, over[0]))


def _gathered_sum(
    dense: Tensor, x: PatchTensor, view: Window, cells_out: tuple[int, int]
) -> Tensor:
    """Sum of each window of a dense map, for the visible patches: [N, h, w, C]."""
    total = F.avg_pool2d(dense, view.kernel, view.stride, divisor_override=1)
    return x.grid.gather(total.permute(0, 2, 3, 1), *cells_out)
