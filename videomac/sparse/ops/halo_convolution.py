"""Convolution of visible patches with any kernel, as one autograd function."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..geometry import Window
from ..patch_grid import PatchGrid
from .cells import add_to_cells, with_blank
from .unfolded import Unfolded

__all__ = ['HaloConvolution', 'read_windows']

Pair = tuple[int, int]

#: How many times the cells of the dense map may be gathered before it is used instead:
#: a gathered window is convolved without padding and by visible patch only.
_GATHER_LIMIT = 3
#: Output cells of a patch up to which dense kernels are a plain matrix product.
_FEW_CELLS = 4
#: How many times fewer than the cells of the windows the pairs of cells must be for a
#: kernel's gradient to be made of them: a pair costs more than a cell.
_PAIRS_GAIN = 3


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
    size = grid.batch_size, grid.rows * h, grid.cols * w, channels
    # Gathering blanks as well is faster than scattering into zeros.
    dense = with_blank(data).index_select(0, grid.cell_slots(h, w)).view(size)
    dense, padding = dense.permute(0, 3, 1, 2), view.padding
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


def _library_grads(
    windows: Tensor, weight: Tensor, grad: Tensor, view: Window, wanted: tuple[bool, bool]
) -> tuple[Tensor, Tensor]:
    """Gradients of windows and kernel by torch's own backward pass, where wanted."""
    found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        grad.permute(0, 3, 1, 2),
        windows.permute(0, 3, 1, 2),
        weight,
        None,
        view.stride,
        (0, 0),
        view.dilation,
        False,
        (0, 0),
        windows.shape[3] // weight.shape[1],
        (*wanted, False),
    )
    return found[:2]


def _depthwise_weight_grad(
    windows: Tensor, weight: Tensor, cells: Tensor, view: Window
) -> Tensor:
    """Gradient of a depthwise kernel: slide the cells of each patch over its window.

    On a CPU the windows lie below each other. One depthwise convolution then slides one
    row of cells of *all* patches: its kernel is as high as there are patches, dilated by
    the height of a window, and it adds up over the patches as it goes. That is much
    faster than torch's own gradient of depthwise kernels.

    Args:
        windows: Shape [N, rows, cols, C].
        weight: The kernel, shape [C, 1, k, l].
        cells: Shape [N, h, w, C].
        view: Stride of the cells and dilation of the kernel.

    Returns:
        Shape [C, 1, k, l].
    """
    if not windows.is_cpu:
        return _library_grads(windows, weight, cells, view, (False, True))[1]
    count, height, _, channels = windows.shape
    if not count:
        return torch.zeros_like(weight)
    # Made so that torch sees channels last and copies nothing.
    lined = windows.view(1, count * height, -1, channels).permute(0, 3, 1, 2)
    reach = (count - 1) * height + (view.kernel[0] - 1) * view.dilation[0] + 1
    total = windows.new_zeros(())
    for i, row in enumerate(cells.unbind(1)):
        seen = lined.narrow(2, i * view.stride[0], reach)
        taps = row.permute(2, 0, 1).unsqueeze(1)
        dilation = height, view.stride[1]
        total = total + F.conv2d(seen, taps, None, view.dilation, 0, dilation, channels)
    return total.view_as(weight)


def _depthwise_grads(
    data: Tensor,
    weight: Tensor,
    grad: Tensor,
    grid: PatchGrid,
    back: Window,
    wanted: tuple[bool, bool],
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of patches and of a depthwise kernel at stride 1.

    Both read the same windows of the output's gradient: a product of two cells belongs to
    the kernel's gradient whichever of the two is looked at from the other. ``back`` is
    the window of the convolution that carries gradients back.
    """
    windows = read_windows(grad, grid, back)
    of_data, of_weight = None, None
    if wanted[0]:
        flipped = weight.flip(2, 3)
        halo = windows.permute(0, 3, 1, 2)
        out = F.conv2d(halo, flipped, dilation=back.dilation, groups=len(weight))
        of_data = out.permute(0, 2, 3, 1).contiguous()
    if wanted[1]:
        of_weight = _depthwise_weight_grad(windows, weight, data, back).flip(2, 3)
    return of_data, of_weight


def _has_few_pairs(grid: PatchGrid, view: Window) -> bool:
    """Whether pairs of visible patches are far fewer than the cells of their windows.

    A sample of M patches has M * M pairs, and M windows of as many cells as taps.
    """
    taps = view.kernel[0] * view.kernel[1]
    return grid.per_sample is not None and _PAIRS_GAIN * grid.per_sample <= taps


def _weight_grad_of_cells(
    data: Tensor, grad: Tensor, grid: PatchGrid, view: Window
) -> Tensor:
    """The same from all pairs of a sample's cells, where patches are single cells.

    A tap is the sum of those products of two cells of a sample that lie its offset apart.
    """
    channels = data.shape[3]
    pairs = grid.batched(data)[:, None] * grid.batched(grad)[:, :, None]

    def of_taps() -> Tensor:
        """Whether a pair belongs to a tap, shape [taps, pairs]."""
        places = [p.to(torch.float64).view(-1, 1, 1, 1) for p in grid.place]
        tap = torch.zeros_like(pairs[..., 0], dtype=torch.int64)
        for axis, place in enumerate(places):
            lined = grid.batched(place, fill=float('nan'))[..., 0]
            offset = lined[:, None] - lined[:, :, None] + view.padding[axis]
            nth, size = offset / view.dilation[axis], view.kernel[axis]
            fits = (nth == nth.floor()) & (nth >= 0) & (nth < size)
            tap = (tap * size + nth.nan_to_num().long()).where(fits & (tap >= 0), -1)
        count = view.kernel[0] * view.kernel[1]
        return torch.arange(count, device=data.device)[:, None] == tap.flatten()

    chosen = grid.table(('pairs', view), of_taps).to(data.dtype)
    found = chosen @ pairs.view(-1, channels)
    return found.view(*view.kernel, channels).permute(2, 0, 1).unsqueeze(1)


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
    of_halo, of_weight = _library_grads(halo, weight, grad, view, wanted)
    if not wanted[0]:
        return None, of_weight
    _, h, w, channels = data.shape
    start, length = view.reach((grad.shape[1], grad.shape[2]))
    table = grid.window_table((h, w), start, length).flatten()
    of_cells = of_halo.permute(0, 2, 3, 1).reshape(-1, channels)
    shape = len(grid.index), h, w, channels
    return add_to_cells(of_cells, table, shape), of_weight


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
    depthwise = groups == weight.shape[0] == data.shape[3] > 1
    single = data.shape[1:3] == grad.shape[1:3] == (1, 1)
    back = replace(view, padding=view.padding_end, padding_end=view.padding)
    if depthwise and view.stride == (1, 1) and not single:
        return _depthwise_grads(data, weight, grad, grid, back, wanted)
    gathers = wanted[0] and view.stride == (1, 1)
    depthwise = wanted[1] and depthwise
    rest = wanted[0] and not gathers, wanted[1] and not depthwise
    of_data, of_weight = None, None
    if any(rest):
        of_data, of_weight = _dense_grads(data, weight, grad, grid, view, rest)
    if gathers:
        of_data = _convolve(grad, _transposed(weight, groups), None, grid, back)
    if depthwise and single and _has_few_pairs(grid, view):
        of_weight = _weight_grad_of_cells(data, grad, grid, view)
    elif depthwise:
        windows = read_windows(data, grid, view)
        of_weight = _depthwise_weight_grad(windows, weight, grad, view)
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
