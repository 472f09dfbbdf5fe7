"""Networks of mmpretrain that mask their input, beside the dense ones they come of."""

from __future__ import annotations

from typing import Any

__all__ = ['dense_class']

#: Where the forward functions are that hide patches, and the modules that want a mask.
MASKING = 'mmpretrain.models.selfsup.'
SPARSE = 'mmpretrain.models.backbones.sparse_'


def _masks(kind: Any) -> bool:
    forward = getattr(kind, 'forward', None)
    own = getattr(forward, '__module__', None) or ''
    return own.startswith(MASKING) or kind.__module__.startswith(SPARSE)


def dense_class(kind: Any) -> type | None:
    """Find the network for whole images of which a class is the variant for pre-training.

    ``MAEViT`` hides patches of whatever it is given, ``SparseResNet`` asks SparK for a
    mask; their tensors are those of ``VisionTransformer`` and ``ResNet``.

    Args:
        kind: A class, or whatever else is registered under a name.

    Returns:
        The class of the network for whole images; None if ``kind`` is no such variant.
    """
    if not isinstance(kind, type) or not _masks(kind):
        return None
    return next(each for each in kind.__mro__ if not _masks(each))
