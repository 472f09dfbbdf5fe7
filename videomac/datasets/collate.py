"""Batches of data sets whose items are several samples."""

from collections.abc import Sequence
from typing import Any

from mmengine.dataset import default_collate
from mmengine.registry import FUNCTIONS

__all__ = ['repeated_collate']


@FUNCTIONS.register_module()
def repeated_collate(items: Sequence[Sequence[Any]]) -> Any:
    """Make one batch of the samples in B lists of R, of ``B * R`` samples.

    Args:
        items: What ``FramePairDataset`` with ``repeats=R`` gives.

    Returns:
        What mmengine's ``default_collate`` makes of the samples.

    Raises:
        TypeError: The items are no lists.
    """
    if not all(isinstance(item, list) for item in items):
        raise TypeError(
            'repeated_collate is for data sets whose items are lists of samples: set '
            'repeats of FramePairDataset to 2 or more, or use default_collate'
        )
    return default_collate([sample for item in items for sample in item])
