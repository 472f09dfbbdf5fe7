"""Shapes of a map: flags and parts of channels, cells within a patch."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..geometry import as_pair, channel_range, divided_cells, space_axis
from ..map_view import permuted
from ..patch_tensor import PatchTensor, implements
from ..shape_ops import SHAPE_OPS
from ..sparse_map import Handler

__all__ = ['contiguous', 'index_select', 'narrow', 'permute']

PatchTensor.handlers |= SHAPE_OPS


@implements('permute')
def permute(func: Handler, x: PatchTensor, *dims: Any, **kwargs: Any) -> Any:
    """Move the channels to the end or back, which is but a flag here."""
    order = dims or tuple(kwargs.values())
    layout = x.layout_after(order)
    if layout is None:
        return permuted(x, order[0] if len(order) == 1 else order, 'permute')
    out = x.like(x.data, channels_last=layout)
    out.note_source(x)
    return out


@implements('contiguous')
def contiguous(func: Handler, x: PatchTensor, **kwargs: Any) -> PatchTensor:
    """Return the map itself, but another one where torch copies a permuted tensor."""
    return x.like(x.data) if x.channels_last else x


@implements('is_contiguous')
def is_contiguous(func: Handler, x: PatchTensor, **kwargs: Any) -> bool:
    """Say yes: no network has to care."""
    return True


@implements('narrow')
def narrow(
    func: Handler, x: PatchTensor, dim: int, start: int, length: int
) -> PatchTensor:
    """Take a range of channels."""
    first = channel_range(x, dim, start, length)
    return x.like(x.data[..., first : first + length])


@implements('index_select')
def index_select(func: Handler, x: PatchTensor, dim: int, index: Tensor) -> PatchTensor:
    """Take channels by their numbers."""
    channel_range(x, dim, 0, 0)
    return x.like(x.data.index_select(3, index))


@implements('repeat_interleave')
def repeat_interleave(
    func: Handler, x: PatchTensor, repeats: int, dim: int, **kwargs: Any
) -> PatchTensor:
    """Repeat each row or column of cells."""
    return x.like(x.data.repeat_interleave(repeats, 1 + space_axis(x, repeats, dim)))


@implements('pixel_shuffle')
def pixel_shuffle(func: Handler, x: PatchTensor, upscale_factor: int) -> PatchTensor:
    """Make blocks of cells of groups of channels.

    Raises:
        RuntimeError: If the channels are no such groups.
    """
    x.require_layout('pixel_shuffle', channels_last=False)
    r, (count, h, w, channels) = upscale_factor, x.data.shape
    if r < 1 or channels % (r * r):
        raise RuntimeError(
            f'pixel_shuffle by {r} makes one channel of {r * r}; {x} has {channels}, '
            'which is no multiple of that'
        )
    groups = channels // (r * r)
    blocks = x.data.reshape(count, h, w, groups, r, r).permute(0, 1, 4, 2, 5, 3)
    return x.like(blocks.reshape(count, h * r, w * r, groups))


@implements('pixel_unshuffle')
def pixel_unshuffle(func: Handler, x: PatchTensor, downscale_factor: int) -> PatchTensor:
    """Make groups of channels of blocks of cells."""
    r, (count, _, _, channels) = downscale_factor, x.data.shape
    h, w = divided_cells(x, as_pair(r))
    blocks = x.data.reshape(count, h, r, w, r, channels).permute(0, 1, 3, 5, 2, 4)
    return x.like(blocks.reshape(count, h, w, channels * r * r))
