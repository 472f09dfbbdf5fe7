"""Views: here only the flag that says where the channels show themselves."""

from __future__ import annotations

from typing import Any

from ..patch_tensor import PatchTensor, implements
from ..sparse_map import Handler, UnsupportedOperationError

__all__ = ['contiguous', 'permute']


@implements('permute')
def permute(func: Handler, x: PatchTensor, *dims: Any) -> PatchTensor:
    """Move the channels to the end or back; other orders have no use in ConvNets."""
    order = tuple(dims[0]) if len(dims) == 1 and not isinstance(dims[0], int) else dims
    order = tuple(d % 4 for d in order)
    if order == (0, 1, 2, 3):
        return x
    if order == ((0, 3, 1, 2) if x.channels_last else (0, 2, 3, 1)):
        return x.like(x.data, channels_last=not x.channels_last)
    raise UnsupportedOperationError(
        f'permute{order} of {x} is not supported: only the layouts [B, C, H, W] and '
        '[B, H, W, C] exist'
    )


@implements('contiguous')
def contiguous(func: Handler, x: PatchTensor, **kwargs: Any) -> PatchTensor:
    """Return the map itself: the patches are always stored channels last."""
    return x
