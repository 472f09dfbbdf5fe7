"""The loops of mmengine, able to begin in the middle of the data.

They bear mmengine's names, so that in the scope of videomac every config has them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.dist import get_dist_info
from mmengine.logging import print_log
from mmengine.runner import loops
from mmengine.runner.base_loop import BaseLoop
from mmengine.runner.utils import calc_dynamic_intervals
from torch import nn
from torch.utils.data import DataLoader

from ..datasets.resumable_loader import ResumableBatches, begin_pass, resumable
from ..registry import LOOPS
from .schedule_check import listed_schedulers, settle_schedulers

__all__ = ['EpochBasedTrainLoop', 'IterBasedTrainLoop', 'batches_of', 'root_seed']


def root_seed(runner: Any) -> int:
    """The seed of a run, the same in all its processes."""
    # mmengine adds the rank to it.
    differs = runner._randomness_cfg.get('diff_rank_seed', False)
    return int(runner.seed) - (runner.rank if differs else 0)


def batches_of(loop: Any) -> ResumableBatches | None:
    """The sampler of batches of a loop, or None if it cannot begin in the middle."""
    batches = getattr(loop.dataloader, 'batch_sampler', None)
    return batches if isinstance(batches, ResumableBatches) else None


def _build(runner: Any, dataloader: Any) -> DataLoader[Any]:
    """Build the loader as mmengine does and make it resumable."""
    differs = runner._randomness_cfg.get('diff_rank_seed', False)
    loader = runner.build_dataloader(dataloader, seed=runner.seed, diff_rank_seed=differs)
    made = resumable(loader, root_seed(runner), *get_dist_info())
    if made is loader:
        print_log(
            f'{type(loader).__name__} over {type(loader.dataset).__name__} cannot begin '
            'in the middle of the data: resume this run from the ends of epochs only',
            'current',
            logging.WARNING,
        )
    return made


def _settle(loop: Any) -> None:
    """Fit the schedulers of the runner, which it builds after its loop, to this one."""
    parts = listed_schedulers(loop.runner.param_schedulers)
    if parts and all(isinstance(part, Mapping) for part in parts):
        loop.runner.param_schedulers = settle_schedulers(
            parts, loop.max_epochs, loop.max_iters, len(loop.dataloader)
        )


@LOOPS.register_module()
class EpochBasedTrainLoop(loops.EpochBasedTrainLoop):  # type: ignore[misc]
    """mmengine's loop over epochs, which can go on in the middle of one.

    Args:
        runner: The runner.
        dataloader: The loader or its config.
        *args: What mmengine's loop takes.
        **kwargs: What mmengine's loop takes.
    """

    #: Pass over the data and batches of it that have been trained on.
    data_pass = 0
    data_batch = 0
    #: Whether the epoch that ended last has still to be validated.
    validation_due = False

    def __init__(self, runner: Any, dataloader: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(runner, _build(runner, dataloader), *args, **kwargs)
        _settle(self)

    def run(self) -> nn.Module:
        """Train and validate."""
        self.runner.call_hook('before_train')
        if self.validation_due:
            self._validate()
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self._validate()
        self.runner.call_hook('after_train')
        return self.runner.model

    def run_epoch(self) -> None:
        """Train on the rest of an epoch, usually all of it."""
        if self.data_pass != self._epoch:
            self.data_pass, self.data_batch = self._epoch, 0
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        batches = begin_pass(self.dataloader, self.data_pass, self.data_batch)
        for number, batch in enumerate(batches, self.data_batch):
            self.data_batch = number + 1
            self.run_iter(number, batch)
        # A checkpoint of the epoch's end is one of the beginning of the next.
        self.data_pass, self.data_batch = self._epoch + 1, 0
        self.validation_due = True
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def _validate(self) -> None:
        self._decide_current_val_interval()
        due = self._epoch % self.val_interval == 0 or self._epoch == self._max_epochs
        if self.runner.val_loop is not None and self._epoch >= self.val_begin and due:
            self.runner.val_loop.run()
        self.validation_due = False


@LOOPS.register_module()
class IterBasedTrainLoop(loops.IterBasedTrainLoop):  # type: ignore[misc]
    """mmengine's loop over iterations, which goes on without reading what it skips.

    Args:
        runner: The runner.
        dataloader: The loader or its config.
        max_iters: Iterations of the run.
        val_begin: Iteration from which on there is validation.
        val_interval: Iterations between validations.
        dynamic_intervals: Iterations and the intervals that hold from these on.
    """

    data_pass = 0
    data_batch = 0
    validation_due = False

    def __init__(
        self,
        runner: Any,
        dataloader: Any,
        max_iters: int,
        val_begin: int = 1,
        val_interval: int = 1000,
        dynamic_intervals: Sequence[tuple[int, int]] | None = None,
    ) -> None:
        # mmengine's constructor would start the workers on the first batches already.
        BaseLoop.__init__(self, runner, _build(runner, dataloader))
        if int(max_iters) != max_iters:
            raise ValueError(f'max_iters must be an integer, got {max_iters!r}')
        self._max_iters = int(max_iters)
        self._max_epochs = 1
        self._epoch = 0
        self._iter = 0
        self.val_begin = val_begin
        self.val_interval = val_interval
        self.stop_training = False
        metainfo = getattr(self.dataloader.dataset, 'metainfo', None)
        self.runner.visualizer.dataset_meta = metainfo
        self.dynamic_milestones, self.dynamic_intervals = calc_dynamic_intervals(
            val_interval, dynamic_intervals
        )
        _settle(self)

    def run(self) -> nn.Module:
        """Train and validate."""
        self.runner.call_hook('before_train')
        # The whole training is one epoch to the hooks.
        self.runner.call_hook('before_train_epoch')
        if self.validation_due:
            self._validate()
        batches = self._batches()
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            self.run_iter(next(batches))
            self._validate()
        self.runner.call_hook('after_train_epoch')
        self.runner.call_hook('after_train')
        return self.runner.model

    def run_iter(self, data_batch: Any) -> None:
        """Train on a batch."""
        self.validation_due = True
        super().run_iter(data_batch)

    def _batches(self) -> Iterator[Any]:
        """Yield batches for ever, pass after pass."""
        while True:
            first = self.data_batch
            for batch in begin_pass(self.dataloader, self.data_pass, first):
                self.data_batch += 1
                yield batch
            if self.data_batch == 0:
                raise ValueError('the training data does not fill a single batch')
            self.data_pass, self.data_batch = self.data_pass + 1, 0

    def _validate(self) -> None:
        self._decide_current_val_interval()
        due = self._iter % self.val_interval == 0 or self._iter == self._max_iters
        if self.runner.val_loop is not None and self._iter >= self.val_begin and due:
            self.runner.val_loop.run()
        self.validation_due = False
