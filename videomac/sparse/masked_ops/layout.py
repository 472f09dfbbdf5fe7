"""Views of a dense map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from ..geometry import as_pair, channel_range, divided_cells, plan_padding, space_axis
from ..map_view import permuted
from ..masked_tensor import MaskedTensor, implements
from ..shape_ops import SHAPE_OPS
from ..sparse_map import Handler

MaskedTensor.handlers |= SHAPE_OPS


@implements('permute')
def _permute(func: Handler, x: MaskedTensor, *dims: Any, **kwargs: Any) -> Any:
    order = dims or tuple(kwargs.values())
    layout = x.layout_after(order)
    if layout is None:
        return permuted(x, order[0] if len(order) == 1 else order, 'permute')
    out = x.like(x.data.permute(*order), channels_last=layout)
    out.note_source(x)
    return out


@implements('is_contiguous')
def _is_contiguous(func: Handler, x: MaskedTensor, **kwargs: Any) -> bool:
    return True


@implements('narrow')
def _narrow(
    func: Handler, x: MaskedTensor, dim: int, start: int, length: int
) -> MaskedTensor:
    return x.like(x.data.narrow(dim, channel_range(x, dim, start, length), length))


@implements('index_select')
def _index_select(
    func: Handler, x: MaskedTensor, dim: int, index: Tensor
) -> MaskedTensor:
    channel_range(x, dim, 0, 0)
    return x.like(x.data.index_select(dim, index))


@implements('repeat_interleave')
def _repeat_interleave(
    func: Handler, x: MaskedTensor, repeats: int, dim: int, **kwargs: Any
) -> MaskedTensor:
    space_axis(x, repeats, dim)
    return x.masked(x.data.repeat_interleave(repeats, dim))


@implements('pixel_shuffle')
def _pixel_shuffle(func: Handler, x: MaskedTensor, upscale_factor: int) -> MaskedTensor:
    x.require_layout('pixel_shuffle', channels_last=False)
    return x.masked(F.pixel_shuffle(x.data, upscale_factor))


@implements('pixel_unshuffle')
def _pixel_unshuffle(
    func: Handler, x: MaskedTensor, downscale_factor: int
) -> MaskedTensor:
    divided_cells(x, as_pair(downscale_factor))
    return x.masked(F.pixel_unshuffle(x.data, downscale_factor))


@implements('contiguous')
def _contiguous(func: Handler, x: MaskedTensor, **kwargs: Any) -> MaskedTensor:
    data = x.data.contiguous(**kwargs)
    return x if data is x.data else x.like(data)


@implements('pad')
def _pad(
    func: Handler,
    x: MaskedTensor,
    pad: Sequence[int],
    mode: str = 'constant',
    value: float | None = None,
) -> MaskedTensor:
    padding, (before, after) = plan_padding(x, pad, mode, value)
    last = (before, after) if x.channels_last else (0, 0, 0, 0, before, after)
    out = (
        x.masked(F.pad(x.data, last, value=value)) if before or after else x.like(x.data)
    )
    out.padding = padding
    return out
