"""Pooling by dense pooling and the mask."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F

from ..geometry import Window, as_pair, check_pooling
from ..masked_tensor import MaskedTensor, implements
from ..sparse_map import Handler


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
    check_pooling(x, 'max_pool2d', return_indices=return_indices)
    view = Window.make(kernel_size, stride or kernel_size, padding, dilation).over(x)
    view = view.rounded_up(x) if ceil_mode else view
    view.output_cells(x, 'max_pool2d')
    values = x.padding.applied(x.data.masked_fill(~x.mask, float('-inf')))
    out = F.max_pool2d(values, kernel_size, stride, padding, dilation, ceil_mode)
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
    check_pooling(x, 'avg_pool2d', divisor_override=divisor_override)
    view = Window.make(kernel_size, stride or kernel_size, padding).over(x)
    view = view.rounded_up(x) if ceil_mode else view
    view.output_cells(x, 'avg_pool2d')
    # Cells of an earlier padding are cells, those of the pooling count if asked to.
    seen = x.padding.applied(x.mask.to(x.dtype), value=1.0)
    rows, cols = as_pair(padding)
    own = [cols, cols, rows, rows]
    seen = F.pad(seen, own, value=float(count_include_pad))
    values = F.pad(x.padding.applied(x.data), own)
    total, share = (
        F.avg_pool2d(v, view.kernel, view.stride, 0, ceil_mode, divisor_override=1)
        for v in (values, seen)
    )
    return x.masked(total / share.clamp(min=1.0))
