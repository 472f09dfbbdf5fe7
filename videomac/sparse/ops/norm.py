"""Normalisation layers over visible cells."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..patch_tensor import PatchTensor, implements
from ..sparse_map import Handler, UnsupportedOperationError

__all__ = ['batch_norm', 'group_norm', 'layer_norm']


@implements('batch_norm')
def batch_norm(func: Handler, x: PatchTensor, *args: Any, **kwargs: Any) -> PatchTensor:
    """Normalise each channel with the statistics of the batch's visible cells."""
    x.require_layout('batch_norm', channels_last=False)
    # Patches are images to torch's kernel: the same statistics, and the layout it likes.
    out = F.batch_norm(x.data.permute(0, 3, 1, 2), *args, **kwargs)
    return x.like(out.permute(0, 2, 3, 1))


@implements('layer_norm')
def layer_norm(
    func: Handler, x: PatchTensor, normalized_shape: Any, *args: Any, **kwargs: Any
) -> PatchTensor:
    """Normalise the channels of each cell of a channels-last map."""
    if not x.channels_last or tuple(normalized_shape) != (x.channels,):
        raise UnsupportedOperationError(
            'layer_norm on masked maps normalises the channels of a [B, H, W, C] map, '
            f'not {tuple(normalized_shape)} of {x}'
        )
    return x.like(F.layer_norm(x.data, (x.channels,), *args, **kwargs))


@implements('group_norm')
def group_norm(
    func: Handler,
    x: PatchTensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> PatchTensor:
    """Normalise groups of channels over the visible cells of each sample."""
    x.require_layout('group_norm', channels_last=False)

    def normed(cells: Tensor) -> Tensor:
        """Normalise samples of as many cells each, [B, M, C]."""
        return F.group_norm(cells.mT, num_groups, weight, bias, eps).mT

    if x.grid.per_sample:
        return x.like(normed(x.grid.batched(x.data)).reshape(x.data.shape))
    samples = x.data.split(x.grid.counts.tolist())
    parts = [normed(s.reshape(1, -1, x.channels)) for s in samples if len(s)]
    if not parts:  # torch's gradients of weight and bias would be NaN, here they are zero
        return x.like(F.layer_norm(x.data, (x.channels,), weight, bias))
    return x.like(torch.cat(parts, dim=1).reshape(x.data.shape))
