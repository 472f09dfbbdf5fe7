"""Errors of a data loader that say which sample a worker was lost with."""

from __future__ import annotations

import re
import signal
import threading
import weakref
from collections.abc import Iterator
from types import FrameType
from typing import Any

from torch.utils.data import DataLoader

from .reading_now import Reading

__all__ = ['LostSampleError', 'WatchedLoader', 'watch']

_SHOWN = 4
_OURS = re.compile('DataLoader (worker|timed out)')
_ADVICE = (
    ('timed out', 'If the files are slow rather than broken, raise {loader}.timeout'),
    ('Killed', 'It may have run out of memory: set fewer {loader}.num_workers'),
    ('', 'Decode these files alone; repair or remove the one at fault'),
)


class LostSampleError(RuntimeError):
    """A worker of a data loader was killed, crashed or hangs."""


class WatchedLoader(DataLoader[Any]):
    """A loader whose error about a lost worker names the sample it was at.

    The data set tells by ``reading``, a :class:`~.reading_now.ReadingNow`, and
    ``describe(index)``.
    """

    def __iter__(self) -> Any:
        """Iterate as torch's loader does."""
        batches = super().__iter__()
        if self.num_workers and not getattr(self, '_handler_set', False):
            self._handler_set = True
            _name_in_handler(self.dataset)
        return _naming(batches, self.dataset)


def watch(loader: Any) -> bool:
    """Make a torch loader name lost samples, if its data set can tell them.

    Args:
        loader: The loader; it is changed in place, since the loop already has it.

    Returns:
        Whether it does so now.
    """
    able = type(loader) is DataLoader and hasattr(loader.dataset, 'reading')
    if able:
        loader.__class__ = WatchedLoader
    return able


def _naming(batches: Iterator[Any], dataset: Any) -> Iterator[Any]:
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except RuntimeError as error:
            raise _named(error, dataset) from error
        yield batch


def _name_in_handler(dataset: Any) -> None:
    """Name the sample where torch learns of a dead worker: in its handler of SIGCHLD.

    The handler runs, and raises, wherever the main thread happens to be.
    """
    handler = signal.getsignal(signal.SIGCHLD)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        return
    known = weakref.ref(dataset)

    def name_it(signum: int, frame: FrameType | None) -> None:
        try:
            handler(signum, frame)
        except RuntimeError as error:
            alive = known()
            if alive is None:
                raise
            raise _named(error, alive) from error

    signal.signal(signal.SIGCHLD, name_it)


def _named(error: RuntimeError, dataset: Any) -> RuntimeError:
    """Add the samples to an error about a lost worker; other errors stay."""
    text = str(error)
    if isinstance(error.__cause__, LostSampleError):
        return LostSampleError(str(error.__cause__))  # torch hides what killed it
    if isinstance(error, LostSampleError) or not _OURS.match(text):
        return error
    pids = {int(number) for number in re.findall(r'\d+', text)}
    readings: list[Reading] = dataset.reading.list()
    if 'timed out' not in text:
        readings = [reading for reading in readings if reading.pid in pids]
    lines = [
        f'\n  - for {reading.seconds:.1f} s: {dataset.describe(reading.sample)}'
        for reading in readings[:_SHOWN]
    ]
    what = ''.join(lines) or ' no sample: it was lost between two'
    advice = next(advice for sign, advice in _ADVICE if sign in text)
    return LostSampleError(
        f'{text.strip()}\nIt was reading{what}\n'
        f'{advice.format(loader="train_dataloader")}'
    )
