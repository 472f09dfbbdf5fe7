"""Files of checkpoints: written whole, checked before they are used, found again.

The checksum of a checkpoint is inside it: ``torch.save`` writes a zip archive with a
CRC-32 of each record. ``torch.load`` never looks at them, so we do. A file for the
checksum would need a second rename, and a crash between the two would make a good
checkpoint look bad; and it would be left behind when somebody copies the checkpoint.
"""

from __future__ import annotations

import errno
import logging
import os
import pickle
import platform
import shutil
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from mmengine.fileio import LocalBackend, register_backend
from mmengine.logging import print_log

__all__ = [
    'POINTER',
    'VERIFIED_BACKEND',
    'CheckpointError',
    'VerifiedBackend',
    'check_folder',
    'find_damage',
    'newest_intact',
    'pointed_at',
    'refuse_flipped',
    'remove_leftovers',
    'write_durably',
]

#: The file of a work dir that holds the path of its newest checkpoint (mmengine's name).
POINTER = 'last_checkpoint'
#: Name of our file backend in ``backend_args``.
VERIFIED_BACKEND = 'videomac_verified'

_CHUNK = 2**24


class CheckpointError(RuntimeError):
    """Checkpoints cannot be written, or none of those that exist can be used."""


def _partial(path: Path) -> Path:
    """Name of a file while it is being written: hidden, in the same folder."""
    return path.with_name(f'.{path.name}.partial')


def remove_leftovers(folder: str | Path) -> None:
    """Remove what writes that were killed have left in a folder."""
    for leftover in Path(folder).glob('.*.partial'):
        with suppress(OSError):
            leftover.unlink()


def write_durably(path: str | Path, data: bytes) -> None:
    """Write a file so that its name never stands for anything but a whole, good file.

    The data go to a hidden file in the same folder, are flushed to the disk and read
    back; then the file gets its name, in one step, in place of any file of that name. A
    process that is killed on the way leaves the hidden file only.

    Args:
        path: The file; its folder is made if there is none.
        data: Its content.

    Raises:
        OSError: If it cannot be written, or reads back differently. A file that had the
            name before is as it was, and nothing is left of the new one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _partial(path)
    try:
        with open(partial, 'wb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            # What is read back shall come from the disk, not from the memory.
            if hasattr(os, 'posix_fadvise'):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        _compare(partial, data)
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)  # a full disk needs the room
        raise
    _flush_folder(path.parent)


def _compare(path: Path, data: bytes) -> None:
    """Read a file back.

    Raises:
        OSError: If it does not hold the data.
    """
    expected, position = memoryview(data), 0
    with open(path, 'rb') as file:
        while chunk := file.read(_CHUNK):
            if expected[position : position + len(chunk)] != chunk:
                break
            position += len(chunk)
    if position != len(data):
        reason = f'reads back differently after byte {position}'
        raise OSError(errno.EIO, reason, str(path))


def _flush_folder(folder: Path) -> None:
    """Make a new name last; some file systems have no such call, and need none."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class VerifiedBackend(LocalBackend):  # type: ignore[misc]
    """mmengine's local files, except that :func:`write_durably` writes them."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write a file.

        Raises:
            OSError: As :func:`write_durably`.
        """
        write_durably(filepath, obj)


register_backend(VERIFIED_BACKEND, VerifiedBackend, force=True)


def check_folder(folder: str | Path, size: int = 0) -> int:
    """Find out before the training whether a checkpoint can be written.

    Args:
        folder: Where checkpoints go; made if there is none.
        size: Bytes of a checkpoint.

    Returns:
        Free bytes of the disk, as far as the system tells (quotas it does not).

    Raises:
        CheckpointError: If the folder cannot be written to, or the disk is too full.
    """
    # Every process of a run may do this at the same time.
    probe = Path(folder) / f'.write_probe.{platform.node()}.{os.getpid()}'
    try:
        write_durably(probe, b'videomac')
        probe.unlink()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise CheckpointError(
            f"checkpoints cannot be saved in '{folder}': {error.strerror or error}. Make "
            'the folder writable or choose another with --work-dir'
        ) from error
    if free < size:
        raise CheckpointError(
            f"checkpoints cannot be saved in '{folder}': one takes about "
            f'{_megabytes(size)}, and {_megabytes(free)} are free. Make room or choose '
            'another folder with --work-dir'
        )
    return free


def _megabytes(size: int) -> str:
    return f'{size / 1e6:,.0f} MB' if size >= 1e7 else f'{size / 1e6:.2f} MB'


def find_damage(path: str | Path) -> str | None:
    """Find out whether a checkpoint is what was written.

    Every record is compared with its checksum, and the file is opened as ``torch.load``
    does it, without reading the tensors a second time. Nothing in the file is run.

    Args:
        path: A file of ``torch.save``.

    Returns:
        What is wrong, as the end of a sentence about the file, or None.
    """
    path = Path(path)
    if not path.is_file():
        return 'does not exist'
    if path.stat().st_size == 0:
        return 'is empty'
    # Any bytes may be in a damaged file, and the readers below raise whatever it makes
    # them stumble over; a bug of ours would show as damage, and loudly.
    try:
        with zipfile.ZipFile(path) as archive:
            record = archive.testzip()
    except Exception as error:
        return f'is truncated or no checkpoint of torch.save ({error})'
    if record is not None:
        return f"is damaged: the checksum of its record '{record}' is wrong"
    try:
        torch.load(path, map_location='cpu', weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        # Whole, but torch refuses the objects in it; whoever loads it explains that.
        return None if 'GLOBAL' in str(error) else f'is damaged ({_first_line(error)})'
    except Exception as error:
        return f'is damaged ({_first_line(error)})'
    return None


def refuse_flipped(path: str | Path) -> None:
    """Check a checkpoint that the user has named; there is no other to use instead.

    Files of other formats, missing ones and remote ones are left to what loads them.

    Raises:
        CheckpointError: Its content is not what was written, though torch would load it.
    """
    if Path(path).is_file() and zipfile.is_zipfile(path):
        problem = find_damage(path)
        if problem is not None:
            raise CheckpointError(
                f"the checkpoint '{path}' {problem}. Copy it again or take an older one"
            )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def pointed_at(work_dir: str | Path) -> str | None:
    """Read the path of the newest checkpoint.

    A work dir that was moved or copied has the file under its name, though
    ``last_checkpoint`` still names the one in the folder of the original.

    Args:
        work_dir: Folder of a run.

    Returns:
        The path, empty if the file that should hold it is damaged, None if there is none.
    """
    work_dir = Path(work_dir)
    try:
        text = os.fsdecode((work_dir / POINTER).read_bytes()).strip()
    except FileNotFoundError:
        return None
    if not text or '\0' in text:
        return ''
    named, own = Path(text), work_dir / Path(text).name
    if '://' in text or not own.is_file():
        return text
    # The original has a pointer of its own, unlike a folder that the work dir keeps its
    # checkpoints in (`out_dir`), whose files may have the names of older ones here.
    original = (named.parent / POINTER).is_file()
    return str(own) if original or not named.exists() else text


def _age(path: Path) -> tuple[str, int] | None:
    """When a checkpoint was written (local time, iteration); None if it cannot resume.

    The times of files do not survive every copy, and iterations do not tell the files of
    an earlier run in the same folder from those of the last.
    """
    try:
        content: Any = torch.load(path, map_location='cpu', weights_only=True, mmap=True)
        meta = content['meta']
        return (str(meta['time']), int(meta['iter'])) if 'optimizer' in content else None
    except Exception:  # as in find_damage
        return None


def newest_intact(work_dir: str | Path) -> str | None:
    """Find the checkpoint to resume from.

    It is the one that ``last_checkpoint`` names. If that is missing or damaged, it is the
    last one written before it. Damaged files that are met on the way are reported.

    Args:
        work_dir: Folder of a run.

    Returns:
        Path of the checkpoint, or None if there is none at all.

    Raises:
        CheckpointError: If there are checkpoints, but all are damaged: to start again
            from nothing is for the user to decide.
    """
    work_dir = Path(work_dir)
    named = pointed_at(work_dir)
    if named and '://' in named:
        return named  # not ours to check
    folders = {work_dir}
    if named:
        problem = find_damage(named)
        if problem is None:
            return named
        folders.add(Path(named).parent)
        _report(f"the checkpoint '{named}' {problem}")
    elif named is not None:
        _report(f"'{work_dir / POINTER}' is damaged and names no checkpoint")
    damaged = named is not None
    for age, path in _newest_first(folders, named):
        problem = find_damage(path)
        if problem is not None:
            damaged = True
            _report(f"the checkpoint '{path}' {problem}")
        elif age is not None:
            _report(f"resuming from the checkpoint '{path}' instead")
            return str(path)
    if damaged:
        raise CheckpointError(
            f"no checkpoint in '{work_dir}' can be resumed from (see the warnings above)."
            f" Restore one from a backup, or remove '{work_dir / POINTER}' and the "
            'damaged files to start again from the beginning'
        )
    return None


def _newest_first(
    folders: Iterable[Path], but: str | None
) -> list[tuple[tuple[str, int] | None, Path]]:
    """List checkpoints with their ages; the damaged ones, which have none, come first."""
    files = [path for folder in folders for path in folder.glob('*.pth')]
    aged = [(_age(path), path) for path in sorted(files)[::-1] if str(path) != but]
    return sorted(aged, key=lambda each: (each[0] is None, each[0] or ()), reverse=True)


def _report(message: str) -> None:
    print_log(message, level=logging.WARNING)
