"""Convolutions and linear layers on visible patches."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from ..geometry import Window
from ..patch_tensor import PatchTensor, implements
from ..sparse_map import Handler
from .pad import conv_padded

__all__ = ['conv2d', 'linear', 'window']


@implements('conv2d')
def conv2d(
    func: Handler,
    x: PatchTensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> PatchTensor:
    """Convolve: read zeros where nothing is visible, write visible cells only.

    Each of the ways to compute it costs a quarter of the dense multiplications when a
    quarter is visible, except the last (see docs/design/performance.md):

    - 1x1 kernels are a matrix product on the cells;
    - kernels as large as their stride stay inside a patch: a reshape and a product;
    - dense kernels gather each patch with the halo that they read;
    - grouped kernels, whose halo would outweigh them, run on the scattered map.
    """
    x.require_layout('conv2d', channels_last=False)
    if not x.padding.fills_with(0.0):
        return conv_padded(x, weight, bias, stride, padding, dilation, groups)
    view = Window.make(weight.shape[2:], stride, padding, dilation).over(x)
    cells_out = view.output_cells(x, 'conv2d')
    if groups > 1:
        return _conv_scattered(x, weight, bias, view, groups)
    if view.padding == view.padding_end == (0, 0) and view.kernel == (1, 1):
        data = x.data[:, :: view.stride[0], :: view.stride[1]]
        return x.like(F.linear(data, weight.flatten(1), bias))
    if view.padding == view.padding_end == (0, 0) and view.kernel == view.stride:
        return x.like(_conv_inside(x.data, weight, bias, cells_out))
    halo = window(x, view, cells_out).permute(0, 3, 1, 2)
    out = F.conv2d(halo, weight, bias, stride=view.stride, dilation=view.dilation)
    return x.like(out.permute(0, 2, 3, 1).contiguous())


def window(
    x: PatchTensor, view: Window, cells_out: tuple[int, int], fill: float = 0.0
) -> Tensor:
    """Gather for each visible patch the cells that its output reads.

    Returns:
        Shape [N, rows, cols, C], ``fill`` where nothing is visible.
    """
    start, length = view.reach(cells_out)
    table = x.grid.window_table(x.cells, start, length)
    flat = x.data.reshape(-1, x.channels)
    padded = F.pad(flat, (0, 0, 0, 1), value=fill)
    return padded.index_select(0, table.flatten()).view(*table.shape, x.channels)


def _conv_inside(
    data: Tensor, weight: Tensor, bias: Tensor | None, cells_out: tuple[int, int]
) -> Tensor:
    """Convolution whose windows tile the patch: [N, h, w, C] -> [N, h/k, w/l, C']."""
    (k, m), (h, w) = weight.shape[2:], cells_out
    blocks = data.reshape(-1, h, k, w, m, data.shape[3]).permute(0, 1, 3, 2, 4, 5)
    kernel = weight.permute(0, 2, 3, 1).flatten(1)
    return F.linear(blocks.flatten(3), kernel, bias)


def _conv_scattered(
    x: PatchTensor, weight: Tensor, bias: Tensor | None, view: Window, groups: int
) -> PatchTensor:
    dense, pad = x.dense(), view.padding
    if view.padding != view.padding_end:
        (top, left), (bottom, right) = view.padding, view.padding_end
        dense, pad = F.pad(dense, (left, right, top, bottom)), (0, 0)
    out = F.conv2d(dense, weight, bias, view.stride, pad, view.dilation, groups)
    cells = view.output_cells(x, 'conv2d')
    return x.like(x.grid.gather(out.permute(0, 2, 3, 1), *cells))


@implements('linear')
def linear(
    func: Handler, x: PatchTensor, weight: Tensor, bias: Tensor | None = None
) -> PatchTensor:
    """Apply a linear layer to the channels of a channels-last map."""
    x.require_layout('linear', channels_last=True)
    return x.like(F.linear(x.data, weight, bias))
