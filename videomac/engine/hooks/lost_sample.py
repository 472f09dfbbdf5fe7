"""Names the sample at which a worker of the training's data loader is lost."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook

from ...datasets.watched_loader import watch
from ...registry import HOOKS

__all__ = ['LostSampleHook']


@HOOKS.register_module()
class LostSampleHook(Hook):
    """Say which files a worker was reading that crashed, was killed or hangs.

    That a hanging worker becomes an error at all is the work of the loader's
    ``timeout``, which ``tools/train.py`` sets.
    """

    def before_train(self, runner: Any) -> None:
        """Watch the loader; one whose data set tells no samples stays as it is."""
        watch(runner.train_dataloader)
