"""Tasks shared by processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

import cv2

__all__ = ['WorkerDiedError', 'run_tasks']

T = TypeVar('T')
R = TypeVar('R')

# How often the count of the processes is read, seconds.
_POLL = 0.2

# How often a process looks whether its parent is still there, seconds.
_WATCH = 0.5

_shared: Any = None


class WorkerDiedError(RuntimeError):
    """A process came to an end before its task did."""


def run_tasks(
    function: Callable[[T, Callable[[int], None]], R],
    tasks: Iterable[T],
    processes: int,
    advance: Callable[[int], None] = lambda amount: None,
) -> Iterator[R]:
    """Call a function for every task, in several processes or in this one.

    Args:
        function: Takes a task and what to call with each amount of work done. Pickled.
        tasks: The tasks. Pickled.
        processes: Number of processes; 1 for none but this one.
        advance: Called in this process with the amounts.

    Yields:
        What the function returns, in the order of completion.

    Raises:
        ValueError: ``processes`` is below 1.
        WorkerDiedError: A process was killed.
    """
    if processes < 1:
        raise ValueError(f'the number of processes must be 1 or more, got {processes}')
    tasks = list(tasks)
    if processes == 1 or len(tasks) < 2:
        for task in tasks:
            yield function(task, advance)
        return
    counter = multiprocessing.Value('q', 0)
    stop = multiprocessing.Event()
    threads = cv2.getNumThreads()
    # The processes are the parallelism. A forked one waits for ever if it asks OpenCV
    # for fewer threads than its parent had started, so the parent asks for them.
    cv2.setNumThreads(1)
    executor = ProcessPoolExecutor(
        min(processes, len(tasks)), initializer=_begin, initargs=(counter, stop)
    )
    try:
        futures = [executor.submit(_call, function, task) for task in tasks]
        yield from _collect(futures, counter, advance)
    except BrokenProcessPool as error:
        raise WorkerDiedError(
            'a process was killed, perhaps for want of memory. Start the same command '
            'again, with fewer --processes: it goes on where it stopped'
        ) from error
    finally:
        stop.set()
        executor.shutdown(cancel_futures=True)
        cv2.setNumThreads(threads)


def _collect(
    futures: Sequence[Future[R]], counter: Any, advance: Callable[[int], None]
) -> Iterator[R]:
    pending = set(futures)
    seen = 0
    while pending:
        done, pending = wait(pending, _POLL, FIRST_COMPLETED)
        now = counter.value
        advance(now - seen)
        seen = now
        for future in done:
            yield future.result()


def _begin(counter: Any, stop: Any) -> None:
    """Prepare a process: the one that started it answers to Ctrl-C."""
    global _shared
    _shared = counter, stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if multiprocessing.get_start_method() != 'fork':
        cv2.setNumThreads(1)
    watch = threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True)
    watch.start()


def _end_with(parent: int) -> None:
    """End this process when its parent was killed, instead of holding the target."""
    while os.getppid() == parent:
        time.sleep(_WATCH)
    os._exit(1)


def _call(function: Callable[[T, Callable[[int], None]], R], task: T) -> R:
    counter, stop = _shared

    def advance(amount: int) -> None:
        if stop.is_set():  # between two files: the run has been given up
            raise KeyboardInterrupt
        with counter.get_lock():
            counter.value += amount

    return function(task, advance)
