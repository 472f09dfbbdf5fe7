"""A hook that sends one process of a run a signal, once."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook

from tests.engine import resuming  # registers what the configs name
from videomac.registry import HOOKS

__all__ = ['HarmHook', 'resuming']


@HOOKS.register_module(force=True)
class HarmHook(Hook):
    """Sends this process a signal in an iteration, if it is the one.

    Args:
        rank: The process.
        at: The iteration, from 0.
        name: Name of the signal.
        marker: File that says that it was sent.
    """

    def __init__(self, rank: int, at: int, name: str, marker: str) -> None:
        self.place = rank, at
        self.number = signal.Signals[name]
        self.marker = Path(marker)

    def before_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        """Send it."""
        if (runner.rank, runner.iter) == self.place and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), self.number)
