"""Convolutions and linear layers on visible patches."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..geometry import Window, check_kernel
from ..patch_tensor import PatchTensor, implements
from ..sparse_map import Handler
from .halo_convolution import HaloConvolution
from .pad import conv_padded

__all__ = ['conv2d', 'linear']


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

    There are four ways to compute it (see docs/design/performance.md):

    - 1x1 kernels are a matrix product on the cells;
    - kernels as large as their stride stay inside a patch: a reshape and a product;
    - others gather each patch with the halo that they read;
    - or work on the dense map, where halos would hold several times as many cells.
    """
    x.require_layout('conv2d', channels_last=False)
    check_kernel(x, weight, groups)
    if not x.padding.fills_with(0.0):
        return conv_padded(x, weight, bias, stride, padding, dilation, groups)
    view = Window.make(weight.shape[2:], stride, padding, dilation).over(x)
    cells_out = view.output_cells(x, 'conv2d')
    if groups == 1 and view.padding == view.padding_end == (0, 0):
        if view.kernel == view.stride == (1, 1):
            return x.like(F.linear(x.data, weight.flatten(1), bias))
        if view.kernel == view.stride:
            return x.like(_conv_inside(x.data, weight, bias, cells_out))
    data, weight, bias = _autocast(x.data, weight, bias)
    return x.like(HaloConvolution.apply(data, weight, bias, x.grid, view))


def _autocast(*tensors: Tensor | None) -> list[Any]:
    """Bring tensors to the type in which autocast wants convolutions.

    Autocast would reach into the forward pass of an autograd function, not its backward.
    """
    device = next(t.device.type for t in tensors if t is not None)
    if not torch.is_autocast_enabled(device):
        return list(tensors)
    dtype = torch.get_autocast_dtype(device)
    return [t if t is None or t.dtype == torch.float64 else t.to(dtype) for t in tensors]


def _conv_inside(
    data: Tensor, weight: Tensor, bias: Tensor | None, cells_out: tuple[int, int]
) -> Tensor:
    """Convolution whose windows tile the patch: [N, h, w, C] -> [N, h/k, w/l, C']."""
    (k, m), (h, w) = weight.shape[2:], cells_out
    blocks = data.reshape(-1, h, k, w, m, data.shape[3]).permute(0, 1, 3, 2, 4, 5)
    kernel = weight.permute(0, 2, 3, 1).flatten(1)
    return F.linear(blocks.flatten(3), kernel, bias)


@implements('linear')
def linear(
    func: Handler, x: PatchTensor, weight: Tensor, bias: Tensor | None = None
) -> PatchTensor:
    """Apply a linear layer to the channels of a channels-last map."""
    x.require_layout('linear', channels_last=True)
    return x.like(F.linear(x.data, weight, bias))
