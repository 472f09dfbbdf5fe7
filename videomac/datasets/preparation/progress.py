"""How far a long task is and when it will end."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar

__all__ = ['Progress', 'seconds_left']

# Between two lines in a log file, seconds.
_EVERY = 30.0


def seconds_left(done: float, total: float, elapsed: float) -> float | None:
    """Time to the end at the mean speed so far; None before anything is done."""
    return None if done <= 0 else elapsed * (total - done) / done


class Progress:
    """A bar with the time that is left; a line now and then where there is no terminal.

    Args:
        label: What is done.
        total: Amount of work.
        of_bytes: Whether the amount is in bytes.
    """

    def __init__(self, label: str, total: int, of_bytes: bool = False) -> None:
        self.label = label
        self.total = total
        self.done = 0
        self._of_bytes = of_bytes
        self._start = self._reported = time.monotonic()
        amount = DownloadColumn() if of_bytes else MofNCompleteColumn()
        columns = (
            TextColumn('{task.description}'),
            BarColumn(),
            TaskProgressColumn(),
            amount,
            TimeRemainingColumn(),
        )
        console = Console(file=sys.stderr)
        self._bar = Bar(*columns, console=console) if console.is_terminal else None
        self._task = None if self._bar is None else self._bar.add_task(label, total=total)

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        else:
            self._report()

    def advance(self, amount: int) -> None:
        """Add to what is done."""
        self.done += amount
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self.done)
        elif time.monotonic() - self._reported >= _EVERY:
            self._report()

    def _report(self) -> None:
        self._reported = time.monotonic()
        left = seconds_left(self.done, self.total, self._reported - self._start)
        scale, unit = (1e6, ' MB') if self._of_bytes else (1, '')
        amount = f'{self.done / scale:.0f} of {self.total / scale:.0f}{unit}'
        soon = '' if not left else f', {left / 60:.1f} minutes left'
        print(f'{self.label}: {amount}{soon}', file=sys.stderr, flush=True)
