"""Refuses to train on nothing."""

from __future__ import annotations

from typing import Any

from mmengine.dataset import InfiniteSampler
from mmengine.hooks import Hook

from ...registry import HOOKS

__all__ = ['LoaderCheckHook', 'check_loader']


def check_loader(loader: Any, world_size: int) -> None:
    """Check that the training data fill a batch.

    Args:
        loader: Loader of the training data.
        world_size: Number of processes, each of which has such a loader.

    Raises:
        ValueError: If the loader has no batches.
    """
    if len(loader) > 0:
        return
    batches, samples = loader.batch_sampler, len(loader.dataset)
    # It begins again before a batch is full, though the loader's length says otherwise.
    if samples and isinstance(batches.sampler, InfiniteSampler):
        return
    raise ValueError(
        f'the training data has {samples} samples, fewer than a batch of '
        f'{batches.batch_size} on each of {world_size} process(es), and incomplete '
        'batches are dropped: nothing would be trained. Set a smaller '
        'train_dataloader.batch_size or add data.'
    )


@HOOKS.register_module()
class LoaderCheckHook(Hook):
    """Stop with an error when the training data does not fill a single batch.

    A loader that drops incomplete batches has none then, and mmengine would save an
    untrained checkpoint without a word. Schedules that count epochs in iterations fail
    before any hook is called, and do not say why: who has such calls
    :func:`check_loader` before ``runner.train()``, as ``tools/train.py`` does.
    """

    def before_train(self, runner: Any) -> None:
        """Check the loader.

        Raises:
            ValueError: If it has no batches.
        """
        check_loader(runner.train_dataloader, runner.world_size)
