"""Gradient checkpointing of networks that run on sparse maps."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch.utils.checkpoint
from torch import Tensor

from .sparse_map import SparseMap

__all__ = ['checkpoint_sparse_maps']

_checkpoint = torch.utils.checkpoint.checkpoint


def _checkpoint_sparse(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Checkpoint a function of sparse maps through the tensors that they hold.

    The reentrant variant, torch's default, sees gradients and devices of tensor
    arguments only, and would cut the gradient of a sparse map without a word.
    """
    maps = {i: a for i, a in enumerate(args) if isinstance(a, SparseMap)}
    if not maps:
        return _checkpoint(function, *args, **kwargs)
    rest = {i: a for i, a in enumerate(args) if i not in maps}

    def of_tensors(*data: Tensor) -> Any:
        rebuilt = {i: m.like(d) for (i, m), d in zip(maps.items(), data, strict=True)}
        merged = rest | rebuilt
        return function(*(merged[i] for i in range(len(args))))

    kwargs['use_reentrant'] = False
    return _checkpoint(of_tensors, *(m.data for m in maps.values()), **kwargs)


@contextlib.contextmanager
def checkpoint_sparse_maps() -> Iterator[None]:
    """Let ``torch.utils.checkpoint.checkpoint`` understand sparse maps inside the block.

    Stock networks call it through its module, and it cannot be overridden by the
    argument's class as ordinary torch functions can. Dense calls are not touched.
    """
    saved = torch.utils.checkpoint.checkpoint
    torch.utils.checkpoint.checkpoint = _checkpoint_sparse
    try:
        yield
    finally:
        torch.utils.checkpoint.checkpoint = saved
