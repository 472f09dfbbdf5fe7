"""Says when learning rates do not follow the length of the run."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook

from ...registry import HOOKS
from ..schedule_check import misfits

__all__ = ['ScheduleCheckHook']


@HOOKS.register_module()
class ScheduleCheckHook(Hook):
    """Warn of schedulers that were made for a run of another length.

    Those of a resumed run are those of its checkpoint, whatever the config says, and are
    looked at as they go on.
    """

    def before_train(self, runner: Any) -> None:
        """Look at the schedulers; they are built and resumed by now."""
        schedulers = runner.param_schedulers
        if not isinstance(schedulers, list):  # of several optimisers
            return
        lengths = runner.max_epochs, runner.max_iters
        for text in misfits(runner.cfg, schedulers, *lengths):
            runner.logger.warning(text)
