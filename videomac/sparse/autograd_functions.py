"""Refuses autograd functions of networks' own on sparse maps."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from torch.autograd import Function

from .map_view import MapView
from .sparse_map import SparseMap, UnsupportedOperationError

__all__ = ['refuse_autograd_functions']

_apply: Any = Function.__dict__['apply']


def _apply_to_tensors(cls: type[Function], *args: Any, **kwargs: Any) -> Any:
    for arg in args:
        if isinstance(arg, SparseMap | MapView):
            raise UnsupportedOperationError.of(
                f'{cls.__name__}.apply',
                arg,
                'an autograd function of its own would lose the gradient',
            )
    return _apply.__get__(None, cls)(*args, **kwargs)


@contextlib.contextmanager
def refuse_autograd_functions() -> Iterator[None]:
    """Make ``torch.autograd.Function.apply`` of a sparse map an error inside the block.

    It sees no tensor there: its forward pass would run without autograd on the map, its
    backward pass never, and all that comes before it would learn nothing, without a word.
    """
    saved: Any = Function.__dict__['apply']
    Function.apply = classmethod(_apply_to_tensors)  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        Function.apply = saved  # type: ignore[method-assign]
