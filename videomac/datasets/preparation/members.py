"""Members of archives and folders, and how each is read."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from lzma import LZMAError
from typing import Any, BinaryIO, TypeVar

__all__ = [
    'READ_ERRORS',
    'DamagedMemberError',
    'Member',
    'Region',
    'copy_member',
    'open_member',
    'read_member',
    'source_name',
    'stream_members',
]

T = TypeVar('T')

#: What the libraries raise on damaged archives, beside OSError.
READ_ERRORS = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    LZMAError,
    EOFError,
    UnicodeDecodeError,
    NotImplementedError,
)

_BLOCK = 2**20


class DamagedMemberError(ValueError):
    """A member of an archive that cannot be read as it should be."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside an archive or a folder.

    Args:
        source: Path of the archive or the folder.
        name: Safe path inside it.
        size: Bytes.
        kind: ``'file'`` of a folder, ``'zip'``, ``'tar'`` (not compressed) or
            ``'stream'`` (a compressed tar, which has to be read from its beginning).
        place: Where it is: offset of the header of a zip's member, of the content in a
            tar, or the number of the member in a stream.
        stamp: What changes with the content: the CRC of a zip, else the time of the last
            change.
    """

    source: str
    name: str
    size: int
    kind: str
    place: int
    stamp: str

    @property
    def path(self) -> str:
        """Where it comes from, for messages; of a folder's file its real path."""
        separator = '/' if self.kind == 'file' else ': '
        return f'{self.source}{separator}{self.name}'


def source_name(source: str | os.PathLike[str]) -> str:
    """Name of an archive or a folder, wherever it lies; that of ``.``, too."""
    return os.path.basename(os.path.abspath(source))


class Region(io.RawIOBase):
    """Part of a file as a file of its own.

    Args:
        file: A file that can be sought.
        start: Offset of the first byte.
        size: Number of bytes.
    """

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file = file
        self._start = start
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Bytes from the beginning of the part."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; see :meth:`io.IOBase.seek`."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read what fits; never beyond the part."""
        view = memoryview(buffer).cast('B')
        wanted = min(len(view), max(0, self._size - self._at))
        self._file.seek(self._start + self._at)
        block = self._file.read(wanted)
        view[: len(block)] = block
        self._at += len(block)
        return len(block)


@contextmanager
def open_member(member: Member) -> Iterator[BinaryIO]:
    """Open a member that can be reached directly.

    Raises:
        DamagedMemberError: The archive does not have it as described.
        OSError: The file cannot be opened.
        ValueError: It is one of a stream.
    """
    if member.kind == 'file':
        with open(os.path.join(member.source, member.name), 'rb') as file:
            yield file
    elif member.kind == 'tar':
        with open(member.source, 'rb') as file:
            yield io.BufferedReader(Region(file, member.place, member.size), _BLOCK)
    elif member.kind == 'zip':
        archive, infos = _zip_index(member.source, _identity(member.source))
        try:
            opened = archive.open(infos[member.place])
        except (*READ_ERRORS, RuntimeError, KeyError) as error:
            raise DamagedMemberError(f'{member.path} is damaged ({error})') from error
        with opened:
            yield opened  # type: ignore[misc]  # a BinaryIO in all but name
    else:
        raise ValueError(f'{member.path} can only be read from the beginning')


def _identity(path: str) -> tuple[int, ...]:
    """Changes with the file, and with the process.

    A process must not share the position in a file with the one that it was forked from.
    """
    status = os.stat(path)
    return os.getpid(), status.st_ino, status.st_size, status.st_mtime_ns


@lru_cache(maxsize=4)
def _zip_index(
    path: str, identity: tuple[int, ...]
) -> tuple[zipfile.ZipFile, dict[int, zipfile.ZipInfo]]:
    """Open a zip once in a process; its members by the offsets of their headers."""
    archive = zipfile.ZipFile(path)
    return archive, {info.header_offset: info for info in archive.infolist()}


def read_member(member: Member, limit: int = 64 * 2**20) -> bytes:
    """Read a small member, such as a list, into memory.

    Raises:
        DamagedMemberError: It is damaged, or larger than ``limit`` bytes.
    """
    if member.size > limit:
        raise DamagedMemberError(
            f'{member.path} has {member.size} bytes, more than a list should have'
        )
    buffer = io.BytesIO()
    if member.kind == 'stream':
        for _, file in stream_members(member.source, {member.place: member}):
            copy_member(member, file, buffer)
    else:
        with open_member(member) as file:
            copy_member(member, file, buffer)
    return buffer.getvalue()


def stream_members(source: str, wanted: Mapping[int, T]) -> Iterator[tuple[T, BinaryIO]]:
    """Read a compressed tar from its beginning.

    Args:
        source: The archive.
        wanted: What to yield for members, by their number.

    Yields:
        What was asked for and the content, which must be read before going on.

    Raises:
        DamagedMemberError: The archive is damaged.
    """
    left = len(wanted)
    try:
        with tarfile.open(
            source, 'r|*', encoding='utf-8', errors='surrogateescape'
        ) as archive:
            for number, info in enumerate(archive):
                if number in wanted:
                    file = archive.extractfile(info)
                    assert file is not None  # the scan lets through regular files only
                    yield wanted[number], file  # type: ignore[misc]
                    left -= 1
                if not left:
                    return
    except (*READ_ERRORS, OSError) as error:
        raise DamagedMemberError(f'{source} is damaged ({error})') from error


def copy_member(member: Member, file: BinaryIO, to: BinaryIO) -> str:
    """Copy the content of a member and see that it is as long as it should be.

    Returns:
        Its SHA-256 in hexadecimal digits.

    Raises:
        DamagedMemberError: It is shorter or longer, or its checksum is wrong.
        OSError: It cannot be written.
    """
    digest = hashlib.sha256()
    done = 0
    while block := _read(member, file, _BLOCK):
        done += len(block)
        if done > member.size:
            break
        digest.update(block)
        to.write(block)
    if done != member.size:
        length = f'more than {member.size}' if done > member.size else str(done)
        raise DamagedMemberError(
            f'{member.path} has {length} bytes, {member.size} were announced'
        )
    return digest.hexdigest()


def _read(member: Member, file: BinaryIO, size: int) -> bytes:
    """Read, and tell errors of reading from those of writing."""
    try:
        return file.read(size)
    except (*READ_ERRORS, OSError) as error:
        raise DamagedMemberError(f'{member.path} is damaged ({error})') from error
