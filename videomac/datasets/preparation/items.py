"""What has to be written where, and the writing of it."""

from __future__ import annotations

import hashlib
import io
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from videomac.datasets.tree_check import TreeCheck

from .archives import Scan
from .manifest import Entry, Journal, entry_offence
from .members import (
    DamagedMemberError,
    Member,
    copy_member,
    open_member,
    source_name,
    stream_members,
)
from .names import UnsafeNameError, is_junk, safe_name
from .target import Target
from .video_frames import FrameOptions, extract_frames, folder_digest

__all__ = [
    'Batch',
    'Compared',
    'Item',
    'compare_batch',
    'make_batches',
    'make_items',
    'write_batch',
]

#: Path below the target for a member, or None if the layout has no place for it.
Rule = Callable[[Member], str | None]

_BATCH_ITEMS = 64
_BATCH_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Item:
    """A member and what becomes of it.

    Args:
        member: The member.
        target: Path of the file below the target, or of the folder of frames.
        frames: How to store the frames of a video; None to copy the file.
    """

    member: Member
    target: str
    frames: FrameOptions | None = None

    @property
    def key(self) -> str:
        """Path of its entry in the manifest."""
        return self.target if self.frames is None else f'{self.target}/'

    @property
    def source(self) -> str:
        """Name of the archive or the folder that it comes from."""
        return source_name(self.member.source)

    @property
    def stamp(self) -> str:
        """Changes with the member and with how it is stored."""
        member = self.member
        text = f'{member.name}|{member.size}|{member.stamp}|{self.frames}'
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Batch:
    """Items of one source that a process writes one after the other.

    Args:
        root: The target.
        items: The items, in the order of the source.
    """

    root: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """Items beside what lies in their places.

    Args:
        alike: Entries of those that lie there already.
        other: Those where something else lies.
        damaged: What is damaged in the source.
    """

    alike: list[Entry] = field(default_factory=list)
    other: list[Item] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


def make_items(
    scans: Iterable[Scan],
    rule: Rule,
    frames: FrameOptions | None,
    root: Path,
    check: TreeCheck,
) -> list[Item]:
    """Give members their places.

    A file that several sources have alike, such as a list, is taken from the first.
    What has one place and one size is read, to see whether it is alike.

    Args:
        scans: What the sources hold.
        rule: The layout.
        frames: How to store frames, if the members are videos to be decoded.
        root: The target.
        check: Notes members whose places clash or lead out of the target.

    Returns:
        The items in the order of the sources.

    Raises:
        DamagedMemberError: A member that was to be compared cannot be read.
    """
    taken: dict[str, Item] = {}
    again: list[tuple[Member, Item]] = []
    for member in (member for found in scans for member in found.members):
        place = None if is_junk(member.name) else rule(member)
        if place is None:
            continue
        try:
            item = Item(member, safe_name(place), frames)
        except UnsafeNameError as error:
            check.add(f'{member.path}: the place {error}')
            continue
        first = taken.setdefault(item.target, item)
        if first is not item:
            again.append((first.member, item))
        if member.kind == 'file' and _is_same(Path(member.path), root / item.target):
            check.add(f'{member.path} is in its place already; use --check')
    _compare(again, check)
    for name in taken:
        parent = name.rpartition('/')[0]
        while parent:
            if parent in taken:
                check.add(f"'{name}' would lie inside '{parent}', a video")
            parent = parent.rpartition('/')[0]
    return list(taken.values())


def _compare(pairs: Iterable[tuple[Member, Item]], check: TreeCheck) -> None:
    """Note items that are another file than the first for their place."""
    told = [(first, item.member, item.target) for first, item in pairs]
    sums = _checksums(m for a, b, _ in told if a.size == b.size for m in (a, b))
    for a, b, target in told:
        if a.size != b.size or sums[a] != sums[b]:
            check.add(f"{b.path} and {a.path} differ, and both belong to '{target}'")


class _Checksum(io.BytesIO):
    """Keeps of what is written to it the CRC-32 only, as zips have it."""

    crc = 0

    def write(self, block: Any) -> int:
        self.crc = zlib.crc32(block, self.crc)
        return len(block)


def _checksums(members: Iterable[Member]) -> dict[Member, str]:
    """CRC-32 of members; zips tell it, all else is read."""
    found: dict[Member, str] = {}
    streams: dict[str, dict[int, Member]] = {}
    for member in members:
        if member.kind == 'stream':
            streams.setdefault(member.source, {})[member.place] = member
        elif member.kind == 'zip':
            found[member] = member.stamp
        elif member not in found:
            with open_member(member) as file:
                found[member] = _checksum(member, file)
    for source, wanted in streams.items():  # once each, from the beginning
        for member, file in stream_members(source, wanted):
            found[member] = _checksum(member, file)
    return found


def _checksum(member: Member, file: BinaryIO) -> str:
    checksum = _Checksum()
    copy_member(member, file, checksum)
    return f'{checksum.crc:08x}'


def _is_same(a: Path, b: Path) -> bool:
    return b.exists() and a.samefile(b)


def make_batches(items: Iterable[Item], root: Path) -> list[Batch]:
    """Group items for the processes: a compressed tar as a whole, others in parts."""
    streams: dict[str, list[Item]] = {}
    groups: list[list[Item]] = []
    size = 0
    for item in items:
        member = item.member
        if member.kind == 'stream':
            streams.setdefault(member.source, []).append(item)
            continue
        size += member.size
        last = groups[-1] if groups else []
        full = len(last) >= _BATCH_ITEMS or size > _BATCH_BYTES or item.frames is not None
        if full or not last or last[0].member.source != member.source:
            groups.append([])
            size = member.size
        groups[-1].append(item)
    # Streams are the longest tasks: begin with them.
    return [Batch(str(root), tuple(group)) for group in [*streams.values(), *groups]]


def write_batch(batch: Batch, advance: Callable[[int], None]) -> list[str]:
    """Write the items of a batch and note each in the journal.

    Args:
        batch: The items.
        advance: Called with the bytes of each member that is done.

    Returns:
        What is damaged in the source.

    Raises:
        OSError: The target cannot be written to.
        TargetError: A link in the target leads out of it.
    """
    target, journal = Target(batch.root), Journal(batch.root)
    damaged: list[str] = []
    try:
        for item, part, entry in _make_all(batch.items, target, damaged, advance):
            target.place(part, item.target)
            journal.add(entry)
    finally:
        journal.close()
    return damaged


def compare_batch(batch: Batch, advance: Callable[[int], None]) -> Compared:
    """Make the items of a batch, but only to see whether they lie in their places.

    Args:
        batch: The items.
        advance: Called with the bytes of each member that is done.

    Raises:
        OSError: The target cannot be read, or has no space.
    """
    found = Compared()
    made = _make_all(batch.items, Target(batch.root), found.damaged, advance)
    for item, _, entry in made:
        if entry_offence(entry, Path(batch.root), content=True) is None:
            found.alike.append(entry)
        else:
            found.other.append(item)
    return found


def _make_all(
    items: Sequence[Item],
    target: Target,
    damaged: list[str],
    advance: Callable[[int], None],
) -> Iterator[tuple[Item, Path, Entry]]:
    """Make items one after the other; see :func:`_made`. Notes what is damaged."""
    try:
        for item, file in _contents(items):
            try:
                with _made(item, file, target) as (part, entry):
                    yield item, part, entry
            except DamagedMemberError as error:
                damaged.append(str(error))
            advance(item.member.size)
    except DamagedMemberError as error:  # a stream: nothing after it can be read
        damaged.append(str(error))


def _contents(items: Sequence[Item]) -> Iterator[tuple[Item, BinaryIO | None]]:
    """Yield items, with the content of those that come from a stream."""
    if items[0].member.kind != 'stream':
        yield from ((item, None) for item in items)
        return
    wanted = {item.member.place: item for item in items}
    yield from stream_members(items[0].member.source, wanted)


@contextmanager
def _made(
    item: Item, file: BinaryIO | None, target: Target
) -> Iterator[tuple[Path, Entry]]:
    """Make what an item becomes, beside the tree; gone at the end if it was not placed.

    Yields:
        The file or the folder of frames, and its entry.
    """
    member = item.member
    part, folder = target.part(Path(member.name).suffix), target.part()
    try:
        if item.frames is None:
            sha256 = _copy(member, file, part)
            yield part, Entry(item.key, 1, member.size, sha256, item.stamp, item.source)
            return
        video = Path(member.path)
        if member.kind != 'file':
            _copy(member, file, part)
            video = part
        folder.mkdir()
        try:
            extract_frames(video, folder, item.frames)
        except DamagedMemberError as error:
            raise DamagedMemberError(f'{member.path} {error}') from error
        yield folder, Entry(item.key, *folder_digest(folder), item.stamp, item.source)
    finally:
        part.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


def _copy(member: Member, file: BinaryIO | None, to: Path) -> str:
    """Copy a member to a file; returns its SHA-256."""
    opened = open_member(member) if file is None else nullcontext(file)
    with opened as source, open(to, 'wb') as destination:
        return copy_member(member, source, destination)
