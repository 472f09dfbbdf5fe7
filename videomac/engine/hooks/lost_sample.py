"""Names the sample at which a worker of a data loader is lost."""

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
    ``timeout``, which ``tools/train.py`` and ``tools/test.py`` set.
    """

    def before_run(self, runner: Any) -> None:
        """Watch the loaders of training, validation and test, as far as there are."""
        for name in ('train', 'val', 'test'):
            # The property of that name would build a loop that the run does without.
            loop = getattr(runner, f'_{name}_loop', None)
            watch(getattr(loop, 'dataloader', None), f'{name}_dataloader')
            bank = getattr(loop, 'bank_dataloader', None)
            watch(bank, f'{name}_cfg.bank_dataloader')
