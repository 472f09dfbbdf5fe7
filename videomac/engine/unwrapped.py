"""The model itself, without what distributed training puts around it."""

from __future__ import annotations

from typing import Any

from mmengine.model import is_model_wrapper

__all__ = ['unwrapped']


def unwrapped(model: Any) -> Any:
    """Take a model out of the wrapper of distributed training, if it is in one.

    Args:
        model: What a runner holds as its ``model``.
    """
    return model.module if is_model_wrapper(model) else model
