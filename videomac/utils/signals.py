"""Signals that ask a run to stop, and the workers that must outlive them."""

from __future__ import annotations

import atexit
import multiprocessing
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ['STOP_SIGNALS', 'hold_signals', 'release_signals', 'shielding']

#: What schedulers of clusters send before they take a machine away. Only Unix has them.
STOP_SIGNALS: tuple[str, ...] = tuple(
    name for name in ('SIGTERM', 'SIGUSR1') if hasattr(signal, 'pthread_sigmask')
)

_registered = False


def _numbers() -> set[signal.Signals]:
    return {signal.Signals[name] for name in STOP_SIGNALS}


def _kill_workers() -> None:
    """End workers that are left when the process ends.

    multiprocessing sends them SIGTERM, which they do not receive, and waits for ever.
    """
    if threading.current_thread() is threading.main_thread():
        # torch would report the end of its workers as an accident.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for child in multiprocessing.active_children():
        if child.daemon:
            child.kill()


def hold_signals() -> None:
    """Keep :data:`STOP_SIGNALS` waiting in this thread, and from what it starts.

    Processes inherit this: workers of a data loader that start now never receive the
    signals, which schedulers send to all processes of a job. Otherwise they would die,
    and the training with them, before it can save.
    """
    global _registered
    if not STOP_SIGNALS:
        return
    if not _registered:
        # Functions run in the reverse order: before that of multiprocessing.
        atexit.register(_kill_workers)
        _registered = True
    signal.pthread_sigmask(signal.SIG_BLOCK, _numbers())


def release_signals() -> None:
    """Receive :data:`STOP_SIGNALS` again, those that waited first."""
    if STOP_SIGNALS:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _numbers())


@contextmanager
def shielding() -> Iterator[None]:
    """Start processes within that never receive :data:`STOP_SIGNALS`."""
    hold_signals()
    try:
        yield
    finally:
        release_signals()
