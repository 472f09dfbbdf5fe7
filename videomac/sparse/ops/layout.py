"""Views: here only the flag that says where the channels show themselves."""

from __future__ import annotations

from typing import Any

from ..patch_tensor import PatchTensor, implements
from ..sparse_map import Handler

__all__ = ['contiguous', 'permute']


@implements('permute')
def permute(func: Handler, x: PatchTensor, *dims: Any) -> PatchTensor:
    """Move the channels to the end or back; other orders have no use in ConvNets."""
    return x.like(x.data, channels_last=x.permuted_layout(dims))


@implements('contiguous')
def contiguous(func: Handler, x: PatchTensor, **kwargs: Any) -> PatchTensor:
    """Return the map itself: the patches are always stored channels last."""
    return x
