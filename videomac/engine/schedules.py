"""Learning rate and momentum of a run as functions of the iteration, without training."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper

from ..registry import HOOKS, PARAM_SCHEDULERS
from ..utils.config_class import config_class
from ..utils.passes import iterations_per_pass
from ..utils.quiet import quiet_log
from .hooks.target_ema import TargetEMAHook, momentum_at
from .schedule_check import listed_schedulers, misfits, settle_schedulers

__all__ = ['batches_per_epoch', 'run_length', 'schedules']


def batches_per_epoch(loader: Mapping[str, Any], samples: int, processes: int) -> int:
    """Number of batches that each process gets in an epoch.

    Args:
        loader: The config of the data loader.
        samples: Number of samples in the data set.
        processes: Number of processes, at least 1.

    Raises:
        ValueError: There would be none.
    """
    size = loader['batch_size']
    batches = iterations_per_pass(
        samples, processes, size, loader.get('drop_last', False)
    )
    if batches < 1:
        raise ValueError(
            f'{samples} samples on {processes} processes are no batch of {size}'
        )
    return batches


def run_length(cfg: Mapping[str, Any], epoch: int | None) -> int:
    """Number of iterations of a run.

    Args:
        cfg: The whole config.
        epoch: Batches of an epoch; None if it is not known.

    Raises:
        ValueError: The config trains nothing, not for a single iteration, or counts
            epochs of unknown length.
    """
    loop = cfg.get('train_cfg') or {}
    if loop.get('max_iters') is not None:
        return _at_least_one(loop, 'max_iters')
    if loop.get('max_epochs') is None:
        raise ValueError('the config has neither train_cfg.max_iters nor max_epochs')
    if epoch is None:
        raise ValueError(
            f'the config trains for {loop["max_epochs"]} epochs; their length follows '
            'from the data set, which must be given, or its number of samples'
        )
    return _at_least_one(loop, 'max_epochs') * epoch


def _at_least_one(loop: Mapping[str, Any], name: str) -> int:
    if int(loop[name]) < 1:
        raise ValueError(f'train_cfg.{name} must be at least 1, got {loop[name]!r}')
    return int(loop[name])


def schedules(
    cfg: Mapping[str, Any],
    epoch: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, list[float]]:
    """Compute the schedules of a run.

    Args:
        cfg: The whole config.
        epoch: Batches of an epoch; may be None if the config counts iterations.
        progress: Is told now and then how many iterations of how many are done.

    Returns:
        ``lr``, and with a target network ``target_momentum``, of each iteration: entry
        ``i`` is what the log has for iteration ``i + 1``. ``lr`` is that of parameters
        without a factor of their own. A log has it as ``base_lr`` if there are several
        groups of parameters; its ``lr`` is that of the first group, and with layer-wise
        decay much lower.

    Raises:
        ValueError: The config lacks what it takes, see :func:`run_length`; or a
            scheduler ends before it begins. What is merely odd is printed,
            see :func:`~videomac.engine.schedule_check.misfits`.
    """
    total = run_length(cfg, epoch)
    settings = cfg.get('optim_wrapper', {}).get('optimizer', {})
    if 'lr' not in settings:
        raise ValueError('the config has no optim_wrapper.optimizer.lr')
    found = {'lr': _learning_rates(cfg, settings['lr'], total, epoch, progress)}
    for hook in cfg.get('custom_hooks') or ():
        if config_class(HOOKS, hook) is TargetEMAHook:
            names = inspect.signature(TargetEMAHook).parameters
            chosen = {name: hook[name] for name in names if name in hook}
            found['target_momentum'] = [
                momentum_at(i, total, **chosen) for i in range(total)
            ]
    return found


def _learning_rates(
    cfg: Mapping[str, Any],
    lr: float,
    total: int,
    epoch: int | None,
    progress: Callable[[int, int], None] | None,
) -> list[float]:
    """Step the schedulers as the training loop does."""
    # Schedulers read and write the groups of an optimiser, whatever its kind.
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = OptimWrapper(torch.optim.SGD([parameter], lr=lr))
    # A loop of iterations is one epoch to the Runner.
    epochs = cfg['train_cfg'].get('max_epochs') or 1
    parts = listed_schedulers(cfg.get('param_scheduler'))
    settled = settle_schedulers(parts, epochs, total, epoch)
    with quiet_log():  # a note for each scheduler that is converted
        built = [_build(part, optimizer, epochs, total, epoch) for part in settled]
        by_epoch = [scheduler for scheduler in built if scheduler.by_epoch]
        by_iteration = [scheduler for scheduler in built if not scheduler.by_epoch]
        values = []
        for i in range(total):
            values.append(float(optimizer.param_groups[0]['lr']))
            if progress is not None and i % 1000 == 0:
                progress(i, total)
            optimizer.step()  # without gradients: schedulers warn where none was made
            for scheduler in by_iteration:
                scheduler.step()
            if epoch is not None and (i + 1) % epoch == 0:
                for scheduler in by_epoch:
                    scheduler.step()
    for text in misfits(cfg, built, epochs, total):
        print_log(text, level=logging.WARNING)
    return values


def _build(
    part: dict[str, Any],
    optimizer: OptimWrapper,
    epochs: int,
    total: int,
    epoch: int | None,
) -> Any:
    """Build a scheduler with the end that the Runner would give it."""
    by_epoch = part.get('by_epoch', True)
    if by_epoch and epoch is None:
        raise ValueError(
            f'{part.get("type")} counts epochs; their length follows from the data set, '
            'which must be given, or its number of samples'
        )
    part.setdefault('end', epochs if by_epoch else total)
    return PARAM_SCHEDULERS.build(
        part, default_args=dict(optimizer=optimizer, epoch_length=epoch)
    )
