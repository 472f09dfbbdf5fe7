"""How far a run over frames is, and how to stop it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

__all__ = ['Cancel', 'Progress', 'Tracker']

#: A way to stop: an event that is set, or a function that says whether to stop.
Cancel = threading.Event | Callable[[], bool]

QUIET = 2.0  # seconds of a run before anything is written
EVERY = 0.2  # seconds between two lines


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        done: Frames that are done.
        total: All frames.
        seconds: Time since the start.
    """

    done: int
    total: int
    seconds: float

    @property
    def fraction(self) -> float:
        """Share that is done, 0..1."""
        return self.done / self.total

    @property
    def eta(self) -> float:
        """Seconds that are left at the pace so far."""
        return self.seconds / max(1, self.done) * (self.total - self.done)

    def __str__(self) -> str:
        a_frame = self.seconds / max(1, self.done)
        left = timedelta(seconds=round(self.eta))
        return f'{self.done}/{self.total} frames, {a_frame:.2f} s a frame, ETA {left}'


class Tracker:
    """Counts the frames of a run, tells of them, and asks whether to stop.

    Args:
        total: Number of frames.
        progress: True: a line on standard error, once a run takes longer than a moment;
            a function: is called after every frame; False: nothing.
        cancel: What stops the run.
        clock: Tells the time in seconds.
    """

    def __init__(
        self,
        total: int,
        progress: bool | Callable[[Progress], None] = True,
        cancel: Cancel | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total = total
        self.progress = progress
        self.cancel = cancel
        self.clock = clock
        self.done = 0
        self._start = clock()
        self._written: float | None = None

    @property
    def cancelled(self) -> bool:
        """Whether the run is to stop."""
        if isinstance(self.cancel, threading.Event):
            return self.cancel.is_set()
        return self.cancel is not None and self.cancel()

    def step(self) -> None:
        """Count a frame."""
        self.done += 1
        now = self.clock()
        state = Progress(self.done, self.total, now - self._start)
        if callable(self.progress):
            self.progress(state)
        elif self.progress and state.seconds >= QUIET:
            last = self.done == self.total
            if last or self._written is None or now - self._written >= EVERY:
                self._written = now
                print(f'\r{state} ', end='\n' if last else '', file=sys.stderr)
