"""Padding of a map, which waits for the window that reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..geometry import Window, plan_padding
from ..patch_tensor import PatchTensor, implements
from ..sparse_map import Handler

__all__ = ['conv_padded', 'pad', 'padded_dense']


@implements('pad')
def pad(
    func: Handler,
    x: PatchTensor,
    pad: Sequence[int],
    mode: str = 'constant',
    value: float | None = None,
) -> PatchTensor:
    """Pad channels at once, and rows and columns for the next window."""
    padding, channels = plan_padding(x, pad, mode, value)
    out = x.like(F.pad(x.data, channels, value=value) if any(channels) else x.data)
    out.padding = padding
    return out


def padded_dense(x: PatchTensor, fill: float = 0.0) -> Tensor:
    """Return the padded map as a dense tensor, ``fill`` where it is masked."""
    dense = x.dense()
    if fill != 0.0:
        dense = dense.masked_fill(~x.grid.cell_mask(*x.cells)[:, None], fill)
    return x.padding.applied(dense)


def conv_padded(
    x: PatchTensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> PatchTensor:
    """Convolve a map whose padding is not zero (as blurring does), on the dense map."""
    view = Window.make(weight.shape[2:], stride, padding, dilation).over(x)
    cells = view.output_cells(x, 'conv2d')
    dense = padded_dense(x)
    out = torch.conv2d(dense, weight, bias, stride, padding, dilation, groups)
    return x.like(x.grid.gather(out.permute(0, 2, 3, 1), *cells))
