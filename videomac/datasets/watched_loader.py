"""Errors of a data loader that say which sample a worker was lost with."""

from __future__ import annotations

import re
import signal
import threading
import weakref
from collections.abc import Iterator
from multiprocessing.connection import wait
from types import FrameType
from typing import Any

from torch.utils.data import DataLoader, IterableDataset

from .reading_now import Reading
from .traced_dataset import TracedDataset

__all__ = ['LOADER_TIMEOUT', 'LostSampleError', 'WatchedLoader', 'watch']

#: Seconds until a batch that does not come is an error, unless the config says otherwise.
#: NCCL gives up after 600, and its error would say nothing of the data.
LOADER_TIMEOUT = 300

_SHOWN = 4
_WAIT = 2.0  # seconds; a worker whose connections are gone ends well before
_OURS = re.compile('DataLoader (worker|timed out)')
_PIDS = re.compile(r'pid(?:\(s\))? ([\d, ]+)')
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

    Attributes:
        key: Where the config has the loader, for advice.
    """

    key: str

    def __iter__(self) -> Any:
        """Iterate as torch's loader does."""
        batches = super().__iter__()
        if self.num_workers:
            if not hasattr(self, '_passes'):
                self._passes: weakref.WeakSet[Any] = weakref.WeakSet()
                _name_in_handler(self)
            self._passes.add(batches)
        return _naming(batches, self)

    def concerns(self, error: RuntimeError) -> bool:
        """Whether an error of torch is about workers of this loader.

        Torch tells of all workers that end, and tells it whichever loader is read.
        """
        text = str(error)
        if isinstance(error, LostSampleError) or not _OURS.match(text):
            return False
        workers = (each._workers for each in getattr(self, '_passes', ()))
        pids = {worker.pid for each in workers for worker in each}
        # While a pass begins there are workers that read, but no pass yet.
        dataset: Any = self.dataset
        pids |= {reading.pid for reading in dataset.reading.list()}
        return 'timed out' in text or not pids.isdisjoint(_pids(text))


def watch(loader: Any, key: str = 'train_dataloader') -> bool:
    """Make a torch loader name lost samples, unless its data are a stream.

    Args:
        loader: The loader, before its first pass; it is changed in place, since the loop
            already has it.
        key: Where the config has it.

    Returns:
        Whether it does so now, and did not before.
    """
    if type(loader) is not DataLoader or isinstance(loader.dataset, IterableDataset):
        return False
    if not hasattr(loader.dataset, 'reading'):
        # Torch refuses it lest the sampler be of other data.
        vars(loader)['dataset'] = TracedDataset(loader.dataset)
    loader.__class__ = WatchedLoader
    loader.key = key
    return True


def _naming(batches: Iterator[Any], loader: WatchedLoader) -> Iterator[Any]:
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except RuntimeError as error:
            if not loader.concerns(error):
                raise
            raise _named(error, loader) from error
        except (EOFError, ConnectionError) as error:
            lost = _ended_with(batches)
            if lost is None:
                raise
            raise _named(lost, loader) from error
        yield batch


def _ended_with(batches: Any) -> RuntimeError | None:
    """Tell, as torch does, of the workers that a connection broke off with, if any.

    A worker that dies while a batch of it is fetched has closed its connections, but
    torch may look before it has ended.
    """
    workers = {worker.sentinel: worker for worker in getattr(batches, '_workers', ())}
    ended = wait(list(workers), _WAIT) if workers else []
    if not ended:
        return None
    pids = ', '.join(str(workers[each].pid) for each in ended)
    return RuntimeError(f'DataLoader worker (pid(s) {pids}) exited unexpectedly')


def _name_in_handler(loader: WatchedLoader) -> None:
    """Name the sample where torch learns of a dead worker: in its handler of SIGCHLD.

    The handler runs, and raises, wherever the main thread happens to be.
    """
    handler = signal.getsignal(signal.SIGCHLD)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        return
    known = weakref.ref(loader)

    def name_it(signum: int, frame: FrameType | None) -> None:
        try:
            handler(signum, frame)
        except RuntimeError as error:
            alive = known()
            if alive is None or not alive.concerns(error):
                raise
            raise _named(error, alive) from error

    signal.signal(signal.SIGCHLD, name_it)


def _readings(text: str, dataset: Any) -> list[Reading]:
    """What the workers were reading that an error of torch is about."""
    readings: list[Reading] = dataset.reading.list()
    if 'timed out' in text:
        return readings
    pids = _pids(text)
    return [reading for reading in readings if reading.pid in pids]


def _pids(text: str) -> set[int]:
    """Which processes an error of torch is about."""
    listed = _PIDS.search(text)
    return {int(number) for number in listed[1].split(',')} if listed else set()


def _named(error: RuntimeError, loader: WatchedLoader) -> LostSampleError:
    """Add the samples to an error about a lost worker."""
    text = str(error)
    cause = error.__cause__
    if isinstance(cause, LostSampleError):
        return LostSampleError(str(cause))
    if isinstance(cause, RuntimeError) and loader.concerns(cause):
        text = str(cause)  # tells what killed it
    dataset: Any = loader.dataset
    lines = [
        f'\n  - for {reading.seconds:.1f} s: {dataset.describe(reading.sample)}'
        for reading in _readings(text, dataset)[:_SHOWN]
    ]
    what = ''.join(lines) or ' no sample: it was lost between two'
    advice = next(advice for sign, advice in _ADVICE if sign in text)
    return LostSampleError(
        f'{text.strip()}\nIt was reading{what}\n{advice.format(loader=loader.key)}'
    )
