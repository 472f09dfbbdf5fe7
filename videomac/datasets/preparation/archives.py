"""Look through archives and folders before anything of them is written."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from videomac.datasets.sources.images import walk_files

from .members import READ_ERRORS, Member, Region
from .names import UnsafeNameError, safe_name

__all__ = ['Limits', 'Scan', 'scan']

_ARCHIVE_SUFFIXES = ('.zip', '.tar', '.gz', '.tgz', '.bz2', '.tbz2', '.xz', '.txz')
_OTHER_ARCHIVES = {b'Rar!': 'RAR', b'7z\xbc\xaf': '7z'}
# Methods that Python's zipfile reads: stored, deflate, bzip2, lzma.
_ZIP_METHODS = (0, 8, 12, 14)
_TAR_BLOCK = 512


@dataclass(frozen=True, slots=True)
class Limits:
    """When an archive counts as a bomb.

    Args:
        ratio: Content of this many times the archive's bytes is too much ...
        floor: ... where it is also more than this many bytes.
    """

    ratio: float = 100
    floor: int = 64 * 2**20

    def exceeded(self, size: int, packed: int) -> bool:
        """Whether ``size`` bytes cannot honestly come from ``packed`` ones."""
        return size > self.floor and size > self.ratio * packed


@dataclass(slots=True)
class Scan:
    """What an archive or a folder holds.

    Args:
        source: Its path.
        members: Its files.
        offences: What forbids to unpack it.
    """

    source: str
    members: list[Member] = field(default_factory=list)
    offences: list[str] = field(default_factory=list)

    def refuse(self, offence: str) -> None:
        """Note an offence."""
        self.offences.append(f'{self.source}: {offence}')

    def name(self, raw: str) -> str | None:
        """Make a name safe; None, and an offence, if it is not."""
        try:
            return safe_name(raw)
        except UnsafeNameError as error:
            self.refuse(f'the name {error}')
            return None


def scan(source: str, nested: bool = False, limits: Limits | None = None) -> Scan:
    """List an archive, a folder or a single file.

    Nothing is extracted. Links, devices, names that lead elsewhere, names that occur
    twice, encrypted members and bombs are offences, wherever in the archive they are.

    Args:
        source: A folder, a zip, a tar (plain, gz, bz2 or xz), or any other file.
        nested: Whether tars inside a folder or a plain tar are opened as well; their
            members come below the tar's name without suffix.
        limits: When an archive is a bomb.

    Returns:
        Members in the order of the archive, of a folder in natural order, and all
        offences.
    """
    found = Scan(os.fspath(source))
    limits = limits or Limits()
    try:
        if os.path.isdir(source):
            _scan_folder(found, nested)
        else:
            _scan_file(found, nested, limits)
    except FileNotFoundError:
        found.refuse('there is no such file or folder')
    except (*READ_ERRORS, OSError) as error:
        found.refuse(f'cannot be read ({error}); fetch it anew')
    _refuse_clashes(found)
    return found


def _scan_file(found: Scan, nested: bool, limits: Limits) -> None:
    path = found.source
    with open(path, 'rb') as file:
        head = file.read(262)
    kind = next(
        (name for magic, name in _OTHER_ARCHIVES.items() if head[:4] == magic), ''
    )
    if kind:
        found.refuse(f'{kind} archives are not read; unpack it and give the folder')
    elif head[:4] in (b'PK\x03\x04', b'PK\x05\x06'):
        _scan_zip(found, limits)
    elif head[:2] == b'\x1f\x8b' or head[:3] == b'BZh' or head[:6] == b'\xfd7zXZ\0':
        _scan_stream(found, limits)
    elif head[257:262] == b'ustar' or path.lower().endswith('.tar'):
        with open(path, 'rb') as file:
            _scan_tar(found, file, path, nested)
    elif path.lower().endswith(_ARCHIVE_SUFFIXES):
        found.refuse('is no archive, whatever its name says; fetch it anew')
    else:
        folder, name = os.path.split(os.path.abspath(path))
        _add_file(found, folder, name)


def _scan_folder(found: Scan, nested: bool) -> None:
    root = os.path.realpath(found.source)
    for folder, files in walk_files(found.source):
        if not _is_within(folder, root):
            found.refuse(f'{folder!r} is a link that leads out; give its folder as well')
            continue
        for file in sorted(files):
            path = os.path.join(folder, file)
            if os.path.islink(path) and not _is_within(path, root):
                found.refuse(f'{path!r} is a link that leads out')
            elif nested and file.lower().endswith('.tar'):
                with open(path, 'rb') as opened:
                    _scan_tar(found, opened, path, False, Path(file).stem)
            else:
                name = os.path.relpath(path, found.source).replace(os.sep, '/')
                _add_file(found, found.source, name)


def _is_within(path: str, root: str) -> bool:
    """Whether a path leads into a folder, with links resolved."""
    real = os.path.realpath(path)
    return real == root or real.startswith(root.rstrip(os.sep) + os.sep)


def _add_file(found: Scan, folder: str, raw: str) -> None:
    name = found.name(raw)
    if name is None:
        return
    try:
        status = os.stat(os.path.join(folder, raw))
    except OSError as error:
        found.refuse(f'{raw!r} cannot be read ({error.strerror})')
        return
    if not stat.S_ISREG(status.st_mode):
        found.refuse(f'{raw!r} is no regular file')
    elif name != raw:
        found.refuse(f'the name {raw!r} is not in composed form (Unicode NFC); rename it')
    else:
        stamp = str(status.st_mtime_ns)
        found.members.append(Member(folder, name, status.st_size, 'file', 0, stamp))


def _scan_zip(found: Scan, limits: Limits) -> None:
    total = 0
    with zipfile.ZipFile(found.source) as archive:
        for info in archive.infolist():
            name = found.name(_zip_name(info))
            if name is None or info.is_dir():
                continue
            mode = info.external_attr >> 16
            total += info.file_size
            if stat.S_IFMT(mode) and not stat.S_ISREG(mode):
                found.refuse(f'{name!r} is {_file_type(mode)}')
            elif info.flag_bits & 1:
                found.refuse(f'{name!r} is encrypted')
            elif info.compress_type not in _ZIP_METHODS:
                found.refuse(f'{name!r} is compressed by method {info.compress_type}')
            elif limits.exceeded(info.file_size, info.compress_size):
                found.refuse(
                    f'{name!r} would grow from {info.compress_size} to '
                    f'{info.file_size} bytes'
                )
            else:
                place, stamp = info.header_offset, f'{info.CRC:08x}'
                found.members.append(
                    Member(found.source, name, info.file_size, 'zip', place, stamp)
                )
    packed = os.path.getsize(found.source)
    if limits.exceeded(total, packed):
        found.refuse(f'would grow from {packed} to {total} bytes')


def _zip_name(info: zipfile.ZipInfo) -> str:
    """Decode a name; many programs write UTF-8 without the flag that says so."""
    name = info.orig_filename
    if info.flag_bits & 0x800 or name.isascii():
        return name
    return name.encode('cp437').decode('utf-8', 'surrogateescape')


def _file_type(mode: int) -> str:
    return 'a link' if stat.S_ISLNK(mode) else 'a device or another special file'


def _scan_tar(
    found: Scan, file: BinaryIO, path: str, nested: bool, prefix: str = ''
) -> None:
    size = os.fstat(file.fileno()).st_size
    with _open_tar(file) as archive:
        for name, info in _regular_members(found, archive, prefix):
            start = info.offset_data
            if start + info.size > size:
                found.refuse(f'{name!r} is cut off; fetch the archive anew')
            elif nested and name.lower().endswith('.tar'):
                inner = io.BufferedReader(Region(file, start, info.size))
                _scan_inner(found, inner, path, (start, info.size), name[:-4])
            else:
                stamp = str(int(info.mtime))
                found.members.append(Member(path, name, info.size, 'tar', start, stamp))


def _scan_inner(
    found: Scan,
    file: io.BufferedReader[Region],
    path: str,
    region: tuple[int, int],
    prefix: str,
) -> None:
    """List a tar that is ``region`` (offset, size) of another one."""
    start, size = region
    with _open_tar(file) as archive:
        for name, info in _regular_members(found, archive, prefix):
            if info.offset_data + info.size > size:
                found.refuse(f'{name!r} is cut off; fetch the archive anew')
                continue
            place, stamp = start + info.offset_data, str(int(info.mtime))
            found.members.append(Member(path, name, info.size, 'tar', place, stamp))


def _open_tar(file: BinaryIO | io.BufferedReader[Region]) -> tarfile.TarFile:
    return tarfile.open(
        fileobj=file, mode='r:', encoding='utf-8', errors='surrogateescape'
    )


def _scan_stream(found: Scan, limits: Limits) -> None:
    """List a compressed tar; stops as soon as it grows beyond the limits."""
    packed = os.path.getsize(found.source)
    total = 0
    with tarfile.open(
        found.source, 'r|*', encoding='utf-8', errors='surrogateescape'
    ) as archive:
        for number, info in enumerate(archive):
            total += _TAR_BLOCK + info.size
            if limits.exceeded(total, packed):
                found.refuse(f'would grow from {packed} to at least {total} bytes')
                return
            name = _regular_name(found, info)
            if name is not None:
                stamp = str(int(info.mtime))
                found.members.append(
                    Member(found.source, name, info.size, 'stream', number, stamp)
                )


def _regular_members(
    found: Scan, archive: tarfile.TarFile, prefix: str
) -> Iterator[tuple[str, tarfile.TarInfo]]:
    for info in archive:
        name = _regular_name(found, info)
        if name is not None:
            yield (f'{prefix}/{name}' if prefix else name), info


def _regular_name(found: Scan, info: tarfile.TarInfo) -> str | None:
    """Name of a regular file; None for folders, and for what is refused."""
    if info.isdir() and not info.name.strip('./'):
        return None  # the archive's own root
    name = found.name(info.name)
    if name is None or info.isdir():
        return None
    if info.issym() or info.islnk():
        found.refuse(f'{name!r} is a link (to {info.linkname!r})')
    elif info.issparse() or not info.isreg():
        found.refuse(f'{name!r} is a device or another special file')
    else:
        return name
    return None


def _refuse_clashes(found: Scan) -> None:
    """Names may occur once, and a file cannot be a folder too."""
    names: set[str] = set()
    for member in found.members:
        if member.name in names:
            found.refuse(f'the name {member.name!r} occurs more than once')
        names.add(member.name)
    for name in names:
        parent = name.rpartition('/')[0]
        while parent:
            if parent in names:
                found.refuse(f'{parent!r} is both a file and a folder')
            parent = parent.rpartition('/')[0]
