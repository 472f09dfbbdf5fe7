"""Convolution of visible patches with any kernel, as one autograd function."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..geometry import Window
from ..patch_grid import PatchGrid
from .unfolded import Unfolded, with_blank

__all__ = ['HaloConvolution', 'read_windows']

Pair = tuple[int, int]

#: How many times the cells of the dense map may be gathered before it is used instead:
#: a gathered window is convolved without padding and by visible patch only.
_GATHER_LIMIT = 2
#: Output cells of a patch up to which dense kernels are a plain matrix product.
_FEW_CELLS = 4
#: Gathered values that stay in the cache of a CPU between two steps.
_CACHED_VALUES = 2**18
#: Longest side, in cells, of the blocks between which depthwise kernels are fitted.
_BLOCK = 8


def read_windows(
    data: Tensor, grid: PatchGrid, view: Window, fill: float = 0.0
) -> Tensor:
    """Gather for each visible patch the cells that its output reads.

    Args:
        data: Visible patches, shape [N, h, w, C].
        grid: Where they are.
        view: The sliding window.
        fill: Value where nothing is visible.

    Returns:
        Shape [N, rows, cols, C].
    """
    _, h, w, channels = data.shape
    start, length = view.reach((h // view.stride[0], w // view.stride[1]))
    table = grid.window_table((h, w), start, length)
    padded = with_blank(data, fill)
    return padded.index_select(0, table.flatten()).view(*table.shape, channels)


def _convolve(
    data: Tensor, weight: Tensor, bias: Tensor | None, grid: PatchGrid, view: Window
) -> Tensor:
    """Convolve without autograd: [N, h, w, C] -> [N, h/s, w/s, C']."""
    _, h, w, channels = data.shape
    cells_out = h // view.stride[0], w // view.stride[1]
    groups = channels // weight.shape[1]
    if groups == 1 and _is_small(view, cells_out):
        return Unfolded(grid, (h, w), view, weight).forward(data, bias)
    _, (rows, cols) = view.reach(cells_out)
    gathered = len(grid.index) * rows * cols
    if groups == 1 or gathered <= _GATHER_LIMIT * grid.batch_size * grid.num_patches * (
        h * w
    ):
        halo = read_windows(data, grid, view).permute(0, 3, 1, 2)
        out = F.conv2d(halo, weight, bias, view.stride, 0, view.dilation, groups)
        return out.permute(0, 2, 3, 1).contiguous()
    (top, left), (bottom, right) = view.padding, view.padding_end
    dense = grid.scatter(data).permute(0, 3, 1, 2)
    padding = view.padding
    if view.padding != view.padding_end:
        dense, padding = F.pad(dense, (left, right, top, bottom)), (0, 0)
    out = F.conv2d(dense, weight, bias, view.stride, padding, view.dilation, groups)
    return grid.gather(out.permute(0, 2, 3, 1), *cells_out)


def _is_small(view: Window, cells_out: Pair) -> bool:
    return cells_out[0] * cells_out[1] <= _FEW_CELLS or view.kernel == (1, 1)


def _transposed(weight: Tensor, groups: int) -> Tensor:
    """Kernel of the convolution that carries gradients back, at stride 1."""
    split = weight.flip(2, 3).unflatten(0, (groups, -1))
    return split.transpose(1, 2).flatten(0, 1)


def _block(cells: int) -> int:
    """Largest divisor of a number of cells that is no more than a block."""
    return next(n for n in range(min(cells, _BLOCK), 0, -1) if cells % n == 0)


def _depthwise_weight_grad(
    data: Tensor, grad: Tensor, grid: PatchGrid, view: Window
) -> Tensor:
    """Gradient of a depthwise kernel [C, 1, k, l], by matrix products.

    For each channel, the products of all cells of a block with all cells of the window
    around it, summed over blocks, are one matrix product; each tap of the kernel is a
    sum of some entries. That is a few times the multiplications needed, at the speed of
    matrix products, where kernels written for this gradient are memory-bound.
    """
    (_, h, w, channels), (_, rows, cols, _) = data.shape, grad.shape
    if h == w == rows == cols == 1 and grid.per_sample is not None:
        return _weight_grad_of_pairs(data, grad, grid, view)
    block = _block(rows), _block(cols)
    start, length = view.reach((rows, cols))
    _, reach = view.reach(block)
    table = grid.window_table((h, w), start, length)
    table = table.unfold(1, reach[0], block[0] * view.stride[0])
    table = table.unfold(2, reach[1], block[1] * view.stride[1])
    table = table.reshape(-1, reach[0] * reach[1])
    seen = with_blank(data).t().contiguous()
    blocks = grad.unflatten(2, (-1, block[1])).unflatten(1, (-1, block[0]))
    blocks = blocks.transpose(2, 3).reshape(-1, channels).t().contiguous()
    blocks = blocks.view(channels, len(table), -1)
    some = channels if grad.is_cuda else max(1, _CACHED_VALUES // table.numel())
    parts = []
    for part, grads in zip(seen.split(some), blocks.split(some), strict=True):
        windows = part.index_select(1, table.flatten()).view(-1, *table.shape)
        products = (windows.mT @ grads).flatten(1)
        parts.append(products.index_select(1, _tap_table(view, block, reach, grad.device)))
    return torch.cat(parts).view(channels, 1, *view.kernel, -1).sum(4)


def _weight_grad_of_pairs(
    data: Tensor, grad: Tensor, grid: PatchGrid, view: Window
) -> Tensor:
    """The same where a patch is one cell: from all pairs of visible cells of a sample."""
    channels = data.shape[3]
    cells = data.view(grid.batch_size, 1, -1, channels)
    grads = grad.view(grid.batch_size, -1, 1, channels)
    pairs = (cells * grads).view(-1, channels)
    row, col = grid.place[0].view(grid.batch_size, -1), grid.place[1].view(
        grid.batch_size, -1
    )
    tap, valid = 0, True
    for axis, place in enumerate((row, col)):
        offset = place[:, None, :] - place[:, :, None] + view.padding[axis]
        step, size = view.dilation[axis], view.kernel[axis]
        nth = offset.div(step, rounding_mode='floor')
        valid = (offset % step == 0) & (nth >= 0) & (nth < size) & valid
        tap = tap * size + nth
    count = view.kernel[0] * view.kernel[1]
    taps = torch.arange(count, device=data.device)[:, None]
    chosen = (taps == tap.masked_fill(~valid, -1).flatten()).to(data.dtype)
    return (chosen @ pairs).t().reshape(channels, 1, *view.kernel)


@lru_cache(maxsize=256)
def _tap_table(view: Window, block: Pair, reach: Pair, device: torch.device) -> Tensor:
    """Where, among products [reach, block], a tap meets each output cell, flattened.

    Returns:
        Flat indices, taps outermost, shape [k * l * block cells].
    """

    def side(axis: int) -> Tensor:
        """Window row (or column) under each tap for each output row (or column)."""
        tap = torch.arange(view.kernel[axis], device=device) * view.dilation[axis]
        cell = torch.arange(block[axis], device=device) * view.stride[axis]
        return tap[:, None] + cell

    row, col = side(0)[:, None, :, None], side(1)[None, :, None, :]
    cells = torch.arange(block[0] * block[1], device=device).view(block)
    table = (row * reach[1] + col) * (block[0] * block[1]) + cells
    return table.flatten()


def _dense_grads(
    data: Tensor,
    weight: Tensor,
    grad: Tensor,
    grid: PatchGrid,
    view: Window,
    wanted: tuple[bool, bool],
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of patches and kernel by torch's own backward pass on the windows."""
    halo = read_windows(data, grid, view)
    of_halo, of_weight, _ = torch.ops.aten.convolution_backward(
        grad.permute(0, 3, 1, 2),
        halo.permute(0, 3, 1, 2),
        weight,
        None,
        view.stride,
        (0, 0),
        view.dilation,
        False,
        (0, 0),
        data.shape[3] // weight.shape[1],
        (*wanted, False),
    )
    if not wanted[0]:
        return None, of_weight
    _, h, w, channels = data.shape
    start, length = view.reach((grad.shape[1], grad.shape[2]))
    table = grid.window_table((h, w), start, length).flatten()
    total = grad.new_zeros(len(grid.index) * h * w + 1, channels)
    total.index_add_(0, table, of_halo.permute(0, 2, 3, 1).reshape(-1, channels))
    return total[:-1].view(data.shape), of_weight


def _gradients(
    data: Tensor,
    weight: Tensor,
    grad: Tensor,
    grid: PatchGrid,
    view: Window,
    wanted: tuple[bool, bool],
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of patches and kernel, each in the fastest way that there is."""
    groups = data.shape[3] // weight.shape[1]
    of_data = of_weight = None
    left = list(wanted)
    if wanted[0] and view.stride == (1, 1):
        back = replace(view, padding=view.padding_end, padding_end=view.padding)
        of_data = _convolve(grad, _transposed(weight, groups), None, grid, back)
        left[0] = False
    if wanted[1] and groups == weight.shape[0] == data.shape[3] > 1:
        of_weight = _depthwise_weight_grad(data, grad, grid, view)
        left[1] = False
    if any(left):
        rest = _dense_grads(data, weight, grad, grid, view, (left[0], left[1]))
        of_data = rest[0] if left[0] else of_data
        of_weight = rest[1] if left[1] else of_weight
    return of_data, of_weight


class HaloConvolution(torch.autograd.Function):
    """Convolution that reads zeros where nothing is visible and writes visible cells.

    Only the patches are kept for the backward pass: what was gathered around them is
    gathered again. At stride 1 the gradient of the input is itself a convolution that
    gathers, which is several times faster than adding up overlapping windows.
    """

    @staticmethod
    def forward(
        ctx: Any,
        data: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        grid: PatchGrid,
        view: Window,
    ) -> Tensor:
        """Convolve patches of shape [N, h, w, C] to [N, h/s, w/s, C']."""
        ctx.save_for_backward(data, weight)
        ctx.grid, ctx.view = grid, view
        return _convolve(data, weight, bias, grid, view)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of patches, kernel and bias."""
        data, weight = ctx.saved_tensors
        grid, view = ctx.grid, ctx.view
        wanted = ctx.needs_input_grad[:2]
        groups = data.shape[3] // weight.shape[1]
        if groups == 1 and _is_small(view, (grad.shape[1], grad.shape[2])):
            product = Unfolded(grid, (data.shape[1], data.shape[2]), view, weight)
            of_data = product.data_grad(grad) if wanted[0] else None
            of_weight = product.weight_grad(data, grad) if wanted[1] else None
        else:
            of_data, of_weight = _gradients(data, weight, grad, grid, view, wanted)
        of_bias = grad.sum((0, 1, 2)) if ctx.needs_input_grad[2] else None
        return of_data, of_weight, of_bias, None, None
