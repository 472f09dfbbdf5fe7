"""Where sessions of the page leave files, and how their runs are stopped."""

from __future__ import annotations

import os
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ['MAX_AGE', 'Workplace']

MAX_AGE = 3600.0  # seconds that results stay


class Workplace:
    """Folders of results and events that stop runs, by session.

    Args:
        root: Folder of all files; made where it is missing.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)
        self.root.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._stops: dict[tuple[str, str], threading.Event] = {}
        self._running: set[tuple[str, str]] = set()

    def new_folder(self, session: str) -> Path:
        """Make a folder for results, and remove those that are too old."""
        self.sweep()
        folder = self.root / f'results-{_plain(session)}' / uuid.uuid4().hex
        folder.mkdir(parents=True)
        return folder

    def begin(self, session: str, part: str) -> None:
        """Say that a part of a session's page asks for a run.

        What was said to a run that is over does not hold for the next one. A run that
        goes on keeps its event: asking twice must not make it deaf.
        """
        with self._lock:
            if (session, part) not in self._running:
                self._stops[session, part] = threading.Event()

    @contextmanager
    def running(self, session: str, part: str) -> Iterator[threading.Event]:
        """Run within this; it gives the event that stops the run.

        The event may be set already, by people who did not wait for their turn.
        """
        key = session, part
        with self._lock:
            event = self._stops.setdefault(key, threading.Event())
            self._running.add(key)
        try:
            yield event
        finally:
            with self._lock:
                self._running.discard(key)
                self._stops.pop(key, None)

    def stop(self, session: str, part: str) -> None:
        """Stop the run of a part after the frame at hand, or as soon as it begins."""
        with self._lock:
            self._stops.setdefault((session, part), threading.Event()).set()

    def leave(self, session: str) -> None:
        """Stop what a session still runs, and remove its files."""
        with self._lock:
            keys = [key for key in self._stops if key[0] == session]
            events = [self._stops.pop(key) for key in keys]
        for event in events:
            event.set()
        folder = self.root / f'results-{_plain(session)}'
        shutil.rmtree(folder, ignore_errors=True)

    def discard(self, path: str | os.PathLike[str]) -> None:
        """Remove an upload; what lies outside of the workplace is left alone."""
        file = Path(path).resolve()
        root = self.root.resolve()
        if not file.is_relative_to(root) or file == root:
            return
        file.unlink(missing_ok=True)
        if file.parent != root and not any(file.parent.iterdir()):
            file.parent.rmdir()

    def sweep(self, age: float = MAX_AGE) -> None:
        """Remove results that are older than this many seconds."""
        for folder in self.root.glob('results-*/*'):
            try:
                if time.time() - folder.stat().st_mtime > age:
                    shutil.rmtree(folder, ignore_errors=True)
            except FileNotFoundError:  # another thread was faster
                continue


def _plain(session: str) -> str:
    """A name that cannot lead out of a folder."""
    return ''.join(letter for letter in session if letter.isalnum()) or 'none'
