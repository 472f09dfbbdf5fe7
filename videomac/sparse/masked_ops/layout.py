"""Views of a dense map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F

from ..geometry import plan_padding
from ..masked_tensor import MaskedTensor, implements
from ..sparse_map import Handler


@implements('permute')
def _permute(func: Handler, x: MaskedTensor, *dims: Any) -> MaskedTensor:
    return x.like(x.data.permute(*dims), channels_last=x.permuted_layout(dims))


@implements('contiguous')
def _contiguous(func: Handler, x: MaskedTensor, **kwargs: Any) -> MaskedTensor:
    return x.like(x.data.contiguous())


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
