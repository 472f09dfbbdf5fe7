"""Checks of many pictures and videos in several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from videomac.datasets.sources import UnreadableVideoError
from videomac.datasets.sources.images import read_image
from videomac.datasets.sources.video_files import VideoFiles
from videomac.datasets.tree_check import TreeCheck

from .progress import Progress
from .tasks import run_tasks

__all__ = ['Pictures', 'check_pictures', 'picture_offences']


@dataclass(frozen=True, slots=True)
class Pictures:
    """Files that belong together.

    Args:
        paths: Pictures, or one video file.
        one_size: Whether all have the size of the first.
        decode: Whether to decode them as a whole.
        video: Whether it is a video file.
    """

    paths: tuple[Path, ...]
    one_size: bool = True
    decode: bool = False
    video: bool = False


def check_pictures(
    groups: Iterable[Pictures], processes: int, check: TreeCheck, label: str
) -> None:
    """Check groups of pictures, with progress on stderr.

    Args:
        groups: The groups; offences are noted in their order.
        processes: Number of processes.
        check: Takes note of the offences.
        label: What is checked, for the progress.
    """
    numbered = list(enumerate(groups))
    total = sum(len(group.paths) for _, group in numbered)
    found: dict[int, list[str]] = {}
    with Progress(label, total) as progress:
        for number, offences in run_tasks(
            _check_group, numbered, processes, progress.advance
        ):
            found[number] = offences
    for number in sorted(found):
        for offence in found[number]:
            check.add(offence)


def _check_group(
    task: tuple[int, Pictures], advance: Callable[[int], None]
) -> tuple[int, list[str]]:
    number, group = task
    offences = picture_offences(group)
    advance(len(group.paths))
    return number, offences


def picture_offences(group: Pictures) -> list[str]:
    """Find what is wrong with the files of a group."""
    if group.video:
        return _video_offences(group.paths[0], group.decode)
    check = TreeCheck('pictures')
    size = None
    for path in group.paths:
        before = len(check.offences)
        found = check.frame(path, size)
        if group.one_size:
            size = size or found
        if group.decode and len(check.offences) == before:
            try:
                read_image(str(path))
            except UnreadableVideoError as error:
                check.add(str(error))
    return check.offences


def _video_offences(path: Path, decode: bool) -> list[str]:
    """Open a video and, if asked for, decode all of its frames."""
    files = VideoFiles(paths=[])
    try:
        record = files.probe(str(path), path.name)
        if decode:
            for start in range(0, record.num_frames, 64):
                stop = min(start + 64, record.num_frames)
                files.read(record, list(range(start, stop)))
    except UnreadableVideoError as error:
        return [str(error)]
    return []
