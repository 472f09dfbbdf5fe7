"""How many samples a step of the optimiser really has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ['batches_per_step']


def batches_per_step(cfg: Mapping[str, Any]) -> int:
    """Count the batches, of the loader's size and in each process, of a step.

    mmengine's ``auto_scale_lr`` counts processes and the loader's batch size alone; a
    step collects ``accumulative_counts`` iterations, and a data set with ``repeats``
    gives as many samples for each that it reads.

    Args:
        cfg: The whole config of a training.

    Returns:
        Their product, 1 where neither is set.
    """
    accumulated = (cfg.get('optim_wrapper') or {}).get('accumulative_counts', 1)
    dataset = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    return int(accumulated * dataset.get('repeats', 1))
