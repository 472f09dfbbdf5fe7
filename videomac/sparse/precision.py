"""In which type values are added up."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor

from .tensor_face import Handler

__all__ = ['HALF', 'at_least_float32', 'in_float32', 'norm_dtype', 'sum_dtype']

#: Types whose sums overflow or lose most of their digits.
HALF = (torch.half, torch.bfloat16)


def at_least_float32(values: Tensor) -> Tensor:
    """Bring half precision to float32; what is more exact stays as it is."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def sum_dtype(dtype: torch.dtype) -> torch.dtype | None:
    """Type of a sum of values of a type: float32 for HALF, else torch's choice (None)."""
    return torch.float32 if dtype in HALF else None


def norm_dtype(dtype: torch.dtype, device: torch.device) -> torch.dtype | None:
    """Type of a norm if none is asked for: float32 under autocast, as on a GPU."""
    return sum_dtype(dtype) if torch.is_autocast_enabled(device.type) else None


def in_float32(handler: Handler) -> Handler:
    """Let the handler of an operation compute in float32 on a map of half precision.

    What it returns is of half precision again, as that of torch's own kernels.
    """

    @functools.wraps(handler)
    def run(func: Handler, x: Any, *args: Any, **kwargs: Any) -> Any:
        if x.dtype not in HALF:
            return handler(func, x, *args, **kwargs)
        return handler(func, x.float(), *args, **kwargs).to(x.dtype)

    return run
