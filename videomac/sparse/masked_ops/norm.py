"""Normalisation layers by their formulas and the mask."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from ..masked_tensor import MaskedTensor, implements
from ..precision import in_float32
from ..sparse_map import Handler, UnsupportedOperationError


@implements('batch_norm')
def _batch_norm(
    func: Handler, x: MaskedTensor, *args: Any, **kwargs: Any
) -> MaskedTensor:
    x.require_layout('batch_norm', channels_last=False)
    return x.of_visible(lambda cells: F.batch_norm(cells, *args, **kwargs))


@implements('layer_norm')
def _layer_norm(
    func: Handler, x: MaskedTensor, normalized_shape: Any, *args: Any, **kwargs: Any
) -> MaskedTensor:
    x.require_layout('layer_norm', channels_last=True)
    if tuple(normalized_shape) != (x.channels,):
        raise UnsupportedOperationError(
            f'layer_norm over {tuple(normalized_shape)} of {x}: only channels are'
            ' normalised'
        )
    return x.masked(F.layer_norm(x.data, (x.channels,), *args, **kwargs))


@implements('group_norm')
@in_float32
def _group_norm(
    func: Handler,
    x: MaskedTensor,
    groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> MaskedTensor:
    x.require_layout('group_norm', channels_last=False)
    mask = x.mask.expand_as(x.data).unflatten(1, (groups, -1)).flatten(2)
    values = x.data.unflatten(1, (groups, -1)).flatten(2)
    count = mask.sum(2, keepdim=True).clamp(min=1)
    mean = values.sum(2, keepdim=True) / count
    var = ((values - mean) ** 2 * mask).sum(2, keepdim=True) / count
    normed = ((values - mean) / (var + eps).sqrt()).reshape(x.data.shape)
    if weight is not None:
        normed = normed * weight[:, None, None]
    if bias is not None:
        normed = normed + bias[:, None, None]
    return x.masked(normed)
