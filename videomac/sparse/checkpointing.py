"""Gradient checkpointing of networks that run on sparse maps."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch.utils.checkpoint
from torch import Tensor

from .autograd_functions import refuse_autograd_functions
from .patch_tensor import PatchTensor
from .sparse_map import SparseMap
from .sync_norm import sync_batch_norms

__all__ = ['checkpoint_sparse_maps']

_module = torch.utils.checkpoint
_checkpoint = _module.checkpoint
_reentrant = _module.CheckpointFunction
_generator = '_checkpoint_without_reentrant_generator'
_other: Any = getattr(_module, _generator)


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
        rebuilt = {
            i: m.with_data(d) for (i, m), d in zip(maps.items(), data, strict=True)
        }
        merged = rest | rebuilt
        # The second run is in the backward pass, outside of the backend's block.
        with checkpoint_sparse_maps(), sync_batch_norms(), refuse_autograd_functions():
            return function(*(merged[i] for i in range(len(args))))

    kwargs['use_reentrant'] = False
    return _checkpoint(of_tensors, *(m.data for m in maps.values()), **kwargs)


class _ReentrantSparse:
    """Stands in for torch's reentrant autograd function."""

    @staticmethod
    def apply(function: Callable[..., Any], preserve_rng_state: bool, *args: Any) -> Any:
        """Run the function of sparse maps through the other variant."""
        if not any(isinstance(a, SparseMap) for a in args):
            return _reentrant.apply(function, preserve_rng_state, *args)
        return _checkpoint_sparse(function, *args, preserve_rng_state=preserve_rng_state)


def _other_sparse(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a checkpoint without reentrance that was imported before runs through.

    Both runs must find the map in the same state, with nothing still to be computed.
    """
    for arg in args:
        if isinstance(arg, PatchTensor):
            arg.data  # noqa: B018  (reading it computes it)
    return _other(function, *args, **kwargs)


@contextlib.contextmanager
def checkpoint_sparse_maps() -> Iterator[None]:
    """Let ``torch.utils.checkpoint`` understand sparse maps inside the block.

    Unlike ordinary torch functions it cannot be overridden by the argument's class, so
    the ways in are: the function, which stock networks call through the module, and what
    lies behind its two variants for those that imported the function before. Dense calls
    are not touched.
    """
    saved = _module.checkpoint, _module.CheckpointFunction, getattr(_module, _generator)
    _module.checkpoint = _checkpoint_sparse
    _module.CheckpointFunction = _ReentrantSparse  # type: ignore[misc, assignment]
    setattr(_module, _generator, _other_sparse)
    try:
        yield
    finally:
        _module.checkpoint, _module.CheckpointFunction = saved[:2]  # type: ignore[misc]
        setattr(_module, _generator, saved[2])
