"""How many samples a step of the optimiser really has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ['batches_per_step', 'learning_rate_ratio']


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


def learning_rate_ratio(cfg: Mapping[str, Any], processes: int) -> float:
    """Samples of a step for each of those that the learning rate of a config is for.

    Args:
        cfg: The whole config of a training.
        processes: Of the training, at least 1.

    Raises:
        ValueError: The config does not say for which batch its learning rate is, or has
            no learning rate.
    """
    base = (cfg.get('auto_scale_lr') or {}).get('base_batch_size')
    if not base:
        raise ValueError(
            'the config does not say for which batch size its learning rate is; add '
            'auto_scale_lr = dict(base_batch_size=...)'
        )
    if 'lr' not in ((cfg.get('optim_wrapper') or {}).get('optimizer') or {}):
        raise ValueError('the config has no optim_wrapper.optimizer.lr to scale')
    batch = processes * cfg['train_dataloader']['batch_size'] * batches_per_step(cfg)
    return float(batch / base)
