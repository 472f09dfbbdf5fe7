"""The folder that a data set is written to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TextIO

from .names import safe_name

__all__ = ['JOURNALS', 'STATE', 'Target', 'TargetError', 'locked']

#: Folder inside the target for half-written files and the journal; gone when all is done.
STATE = '.videomac'

#: Journals in that folder; there as long as there is something to go on with.
JOURNALS = 'journal-*.jsonl'


class TargetError(ValueError):
    """Something in the target folder that forbids to write there."""


class Target:
    """Writes whole files or none, below one folder.

    A file is written under :data:`STATE` first and then moved to its place, which is one
    step for the file system. One process may have several targets of one folder.

    Args:
        root: The folder; made if it is not there.
    """

    _numbers = count()

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)
        self._parts = self.root / STATE / 'parts'
        self._parts.mkdir(parents=True, exist_ok=True)
        self._real = self.root.resolve()
        self._safe_folders: set[Path] = {self.root}

    def part(self, suffix: str = '') -> Path:
        """Name a new file or folder to write to before it is moved."""
        return self._parts / f'{os.getpid()}-{next(self._numbers)}{suffix}'

    def place(self, part: Path, name: str) -> Path:
        """Move what :meth:`part` named to its place; replaces what is there.

        Raises:
            UnsafeNameError: ``name`` leads out of the target.
            TargetError: A link in the target does.
        """
        path = self.root / safe_name(name)
        self._make_folder(path.parent)
        if part.is_dir():
            remove(path)
        elif path.is_dir() and not path.is_symlink():
            raise TargetError(f"'{path}' is a folder where a file should be; remove it")
        part.replace(path)
        return path

    def write(self, name: str, content: bytes) -> Path:
        """Write a small file; see :meth:`place`."""
        part = self.part()
        part.write_bytes(content)
        return self.place(part, name)

    def _make_folder(self, folder: Path) -> None:
        """Make a folder and those above it, looking at each for links that lead out."""
        if folder in self._safe_folders:
            return
        self._make_folder(folder.parent)
        if folder.is_symlink() and not folder.resolve().is_relative_to(self._real):
            raise TargetError(
                f"'{folder}' is a link that leads out of the target folder "
                f"'{self.root}'. Give the folder it leads to as the target, or remove it"
            )
        try:
            folder.mkdir(exist_ok=True)
        except FileExistsError:
            raise TargetError(
                f"'{folder}' is a file where a folder should be; remove it"
            ) from None
        self._safe_folders.add(folder)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def locked(root: str | os.PathLike[str]) -> Iterator[None]:
    """Keep other conversions out of a target, and clear away what a killed one left.

    Raises:
        TargetError: Another conversion is at work in it, or it is not a folder.
    """
    state = Path(root) / STATE
    with _open_lock(state, root):
        shutil.rmtree(state / 'parts', ignore_errors=True)
        try:
            yield
        finally:
            _clear(state)


def _clear(state: Path) -> None:
    """Remove what is not needed to go on; the lock last, for it lets others in."""
    shutil.rmtree(state / 'parts', ignore_errors=True)
    if not any(state.glob(JOURNALS)):
        with suppress(OSError):  # others are in; or Windows, where open files stay
            (state / 'lock').unlink()
            state.rmdir()


def _open_lock(state: Path, root: str | os.PathLike[str]) -> TextIO:
    """Lock a target until the file is closed."""
    path = state / 'lock'
    while True:
        try:
            state.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise TargetError(f"the target '{root}' is not a folder") from None
        with suppress(FileNotFoundError):  # a conversion that ended took it away
            lock = open(path, 'w')  # noqa: SIM115  (closed by the caller)
            try:
                _lock(lock.fileno(), root)
                if os.path.samestat(os.fstat(lock.fileno()), os.stat(path)):
                    return lock
            except BaseException:
                lock.close()
                raise
            lock.close()


def _lock(descriptor: int, root: str | os.PathLike[str]) -> None:
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows has no such locks: go without
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise TargetError(
            f"another conversion is writing to '{root}'; wait for its end"
        ) from None
    except OSError:  # some network file systems have no locks
        return
