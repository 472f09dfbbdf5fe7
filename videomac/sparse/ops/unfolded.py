"""Dense convolution of small patches as one matrix product over gathered taps."""

from __future__ import annotations

import torch
from torch import Tensor

from ..geometry import Window
from ..patch_grid import PatchGrid
from .cells import add_to_cells, with_blank

__all__ = ['Unfolded']


def _swapped(values: Tensor) -> Tensor:
    """Exchange taps and channels: [A, B, C] -> [A, C, B], in a new order in memory."""
    return values.transpose(1, 2).contiguous()


class Unfolded:
    """A convolution whose output cells are the rows of a matrix product.

    A row holds what its cell reads: channels of all taps of the kernel. Libraries for
    convolutions are made for images; on the few cells that a patch has in the last
    stages they are up to ten times slower than a matrix product. Rows and kernel must
    have channels and taps in the same order; the smaller of the two is rearranged.

    Args:
        grid: The visible patches.
        cells: Rows and columns of cells of a patch.
        view: The sliding window.
        weight: Kernel, shape [O, C, k, l].
    """

    def __init__(
        self, grid: PatchGrid, cells: tuple[int, int], view: Window, weight: Tensor
    ):
        self.shape = (len(grid.index), *cells)
        self.cells_out = cells[0] // view.stride[0], cells[1] // view.stride[1]
        self.kernel_shape = weight.shape
        self.table = grid.table(
            ('taps', cells, view), lambda: self._build_table(grid, cells, view)
        )
        self.taps_last = len(self.table) < weight.shape[0]
        kernel = weight.flatten(2)
        self.kernel = (kernel if self.taps_last else _swapped(kernel)).flatten(1)

    def _build_table(
        self, grid: PatchGrid, cells: tuple[int, int], view: Window
    ) -> Tensor:
        """Cell under each tap of each output cell, shape [N * h' * w', k * l]."""
        start, length = view.reach(self.cells_out)
        table = grid.window_table(cells, start, length)
        for axis in (0, 1):
            span = view.dilation[axis] * (view.kernel[axis] - 1) + 1
            table = table.unfold(1 + axis, span, view.stride[axis])
        table = table[..., :: view.dilation[0], :: view.dilation[1]]
        return table.reshape(-1, view.kernel[0] * view.kernel[1])

    def rows(self, data: Tensor) -> Tensor:
        """What each output cell reads, shape [N * h' * w', C * k * l]."""
        read = with_blank(data).index_select(0, self.table.flatten())
        read = read.view(*self.table.shape, data.shape[3])
        return (_swapped(read) if self.taps_last else read).flatten(1)

    def forward(self, data: Tensor, bias: Tensor | None) -> Tensor:
        """Convolve patches: [N, h, w, C] -> [N, h', w', O]."""
        rows, kernel = self.rows(data), self.kernel.t()
        out = rows @ kernel if bias is None else torch.addmm(bias, rows, kernel)
        return out.view(self.shape[0], *self.cells_out, out.shape[1])

    def data_grad(self, grad: Tensor) -> Tensor:
        """Gradient of the patches, shape [N, h, w, C]."""
        channels, taps = self.kernel_shape[1], self.table.shape[1]
        rows = grad.reshape(-1, grad.shape[3]) @ self.kernel
        if self.taps_last:
            rows = _swapped(rows.view(-1, channels, taps))
        rows = rows.view(-1, channels)
        return add_to_cells(rows, self.table.flatten(), (*self.shape, channels))

    def weight_grad(self, data: Tensor, grad: Tensor) -> Tensor:
        """Gradient of the kernel, shape [O, C, k, l]."""
        out_channels, channels = self.kernel_shape[:2]
        product = grad.reshape(-1, out_channels).t() @ self.rows(data)
        if not self.taps_last:
            product = _swapped(product.view(out_channels, -1, channels))
        return product.view(self.kernel_shape)
