"""Where sessions of the page leave files, and how their runs are stopped."""

from __future__ import annotations

import os
import shutil
import threading
import time
import uuid
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
        self._stops: dict[str, threading.Event] = {}

    def new_folder(self, session: str) -> Path:
        """Make a folder for results, and remove those that are too old."""
        self.sweep()
        folder = self.root / f'results-{_plain(session)}' / uuid.uuid4().hex
        folder.mkdir(parents=True)
        return folder

    def begin(self, session: str) -> None:
        """Say that a run of this session is about to begin."""
        with self._lock:
            self._stops[session] = threading.Event()

    def event(self, session: str) -> threading.Event:
        """What stops the present run of a session."""
        with self._lock:
            return self._stops.setdefault(session, threading.Event())

    def stop(self, session: str) -> None:
        """Stop the present run of a session after the frame at hand."""
        self.event(session).set()

    def leave(self, session: str) -> None:
        """Stop what a session still runs, and remove its files."""
        with self._lock:
            event = self._stops.pop(session, None)
        if event is not None:
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
