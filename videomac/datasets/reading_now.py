"""Which sample each worker of a data loader is at, for when it does not come back."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch.utils.data import get_worker_info

__all__ = ['Reading', 'ReadingNow']

_SLOTS = 256  # more workers than one process has


class Reading(NamedTuple):
    """A sample that is being read.

    Attributes:
        pid: Process that reads it.
        sample: Its number.
        seconds: For how long already.
    """

    pid: int
    sample: int
    seconds: float


class ReadingNow:
    """A table in shared memory: workers write, the main process reads.

    A worker that was killed or hangs can say nothing any more; what it wrote before
    stays.
    """

    def __init__(self) -> None:
        # Rows of pid, sample and time in ns; pid 0: nothing is being read. The clock is
        # the same in all processes of a machine.
        self._table = torch.zeros(_SLOTS, 3, dtype=torch.int64).share_memory_()

    @contextmanager
    def at(self, index: int) -> Iterator[None]:
        """Note in a worker that it reads a sample; elsewhere do nothing."""
        worker = get_worker_info()
        if worker is None:
            yield
            return
        row = self._table[worker.id % _SLOTS].numpy()
        row[:] = os.getpid(), index, time.monotonic_ns()
        try:
            yield
        finally:
            row[0] = 0

    def list(self) -> list[Reading]:
        """What is being read, the longest first."""
        now = time.monotonic_ns()
        rows = [(pid, i, start) for pid, i, start in self._table.tolist() if pid]
        rows.sort(key=lambda row: row[2])
        return [Reading(pid, i, (now - start) / 1e9) for pid, i, start in rows]
