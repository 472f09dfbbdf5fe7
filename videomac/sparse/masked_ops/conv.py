"""Convolutions and linear layers by dense ones and the mask."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from ..geometry import Window
from ..masked_tensor import MaskedTensor, implements
from ..sparse_map import Handler


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
    view = Window.make(weight.shape[2:], stride, padding, dilation).over(x)
    view.output_cells(x, 'conv2d')
    data = x.padding.applied(x.data)
    return x.masked(F.conv2d(data, weight, bias, stride, padding, dilation, groups))


@implements('linear')
def _linear(
    func: Handler, x: MaskedTensor, weight: Tensor, bias: Tensor | None = None
) -> MaskedTensor:
    x.require_layout('linear', channels_last=True)
    return x.masked(F.linear(x.data, weight, bias))
