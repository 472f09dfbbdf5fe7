"""Refuses to train on nothing."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook

from ...registry import HOOKS

__all__ = ['LoaderCheckHook']


@HOOKS.register_module()
class LoaderCheckHook(Hook):
    """Stop with an error when the training data does not fill a single batch.

    A loader that drops incomplete batches has none then, and mmengine would save an
    untrained checkpoint without a word.
    """

    def before_train(self, runner: Any) -> None:
        """Check the loader.

        Raises:
            ValueError: If it has no batches.
        """
        loader = runner.train_dataloader
        if len(loader) > 0:
            return
        batch_size = loader.batch_sampler.batch_size
        raise ValueError(
            f'the training data has {len(loader.dataset)} samples, fewer than a batch of '
            f'{batch_size} on each of {runner.world_size} process(es), and '
            'incomplete batches are dropped: nothing would be trained. Set a smaller '
            'train_dataloader.batch_size or add data.'
        )
