"""Official lists of videos and frames, carried as small text files.

``tools/misc/make_official_lists.py`` makes them from the lists as they were published.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

__all__ = [
    'LISTS',
    'davis_frames',
    'imagenet_classes',
    'jhmdb_videos',
    'k400_released_subset',
    'pack_numbers',
    'unpack_numbers',
    'vip_val_frames',
    'youtube_vos_train_frames',
]

LISTS = Path(__file__).with_name('lists')

_RANGE = re.compile(r'(\d+)(?:-(\d+)/([1-9]\d*))?')

# Digits of the frames' names.
_YOUTUBE_VOS_DIGITS = _DAVIS_DIGITS = 5
_VIP_DIGITS = 12


def pack_numbers(numbers: Sequence[int]) -> str:
    """Write rising numbers as ranges.

    Args:
        numbers: Numbers from 0 on, each larger than the one before; at least one.

    Returns:
        Ranges ``first-last/step`` and single numbers, with commas between.

    Raises:
        ValueError: They do not rise, or there is none.
    """
    if not numbers or numbers[0] < 0 or any(b <= a for a, b in pairwise(numbers)):
        raise ValueError(f'numbers must rise from 0 or more, got {list(numbers)[:10]}')
    ranges = []
    rest = list(numbers)
    while rest:
        step = rest[1] - rest[0] if len(rest) > 1 else 1
        length = _run_length(rest, step)
        last = rest[length - 1]
        ranges.append(f'{rest[0]}-{last}/{step}' if length > 1 else str(last))
        rest = rest[length:]
    return ','.join(ranges)


def _run_length(numbers: Sequence[int], step: int) -> int:
    """How many of the first numbers are ``step`` apart."""
    for index, (a, b) in enumerate(pairwise(numbers), 1):
        if b - a != step:
            return index
    return len(numbers)


def unpack_numbers(text: str) -> list[int]:
    """Undo :func:`pack_numbers`.

    Raises:
        ValueError: It is no such text.
    """
    numbers: list[int] = []
    for part in text.split(','):
        match = _RANGE.fullmatch(part)
        if match is None:
            raise ValueError(f'{part!r} is no number and no range first-last/step')
        first, last, step = match.groups()
        numbers += range(int(first), int(last or first) + 1, int(step or 1))
    return numbers


def _lines(name: str) -> list[str]:
    text = (LISTS / name).read_text(encoding='utf-8')
    return [line for line in text.splitlines() if line and not line.startswith('#')]


def _frames(name: str, digits: int) -> dict[str, tuple[str, ...]]:
    """Read lines ``<video> <ranges>``."""
    frames = {}
    for line in _lines(name):
        video, ranges = line.split()
        frames[video] = tuple(f'{n:0{digits}d}' for n in unpack_numbers(ranges))
    return frames


@cache
def youtube_vos_train_frames() -> dict[str, tuple[str, ...]]:
    """Stems of the annotated frames of YouTube-VOS 2018 train, by video.

    3,471 videos with 94,588 frames; ``train_all_frames`` has the frames between as well.
    """
    return _frames('youtube_vos_2018_train.txt', _YOUTUBE_VOS_DIGITS)


@cache
def davis_frames(year: int, split: str = 'val') -> dict[str, tuple[str, ...]]:
    """Stems of the frames of the val split of DAVIS, by video in the list's order.

    Args:
        year: 2016 (20 videos, 1,376 frames) or 2017 (30 videos, 1,999 frames).
        split: ``'val'``, the only one that is known here.

    Raises:
        KeyError: Another year or split.
    """
    if (year, split) not in ((2016, 'val'), (2017, 'val')):
        raise KeyError(f'there is no official list of DAVIS-{year} {split}')
    return _frames(f'davis_{year}_{split}.txt', _DAVIS_DIGITS)


@cache
def vip_val_frames() -> dict[str, tuple[str, ...]]:
    """Stems of the frames of VIP val: 50 videos in the list's order, 2,445 frames."""
    return _frames('vip_val.txt', _VIP_DIGITS)


@cache
def jhmdb_videos() -> tuple[str, ...]:
    """The 268 clips of JHMDB's first test split as ``<action>/<video>``, in order."""
    return tuple(_lines('jhmdb_test_split1.txt'))


@cache
def k400_released_subset() -> tuple[str, ...]:
    """The 1,770 videos of Kinetics-400 train that the released models were trained on.

    As ``<class>/<YouTube id>_<start>_<end>``, in the order of the released list.
    """
    return tuple(_lines('k400_released_subset.txt'))


@cache
def imagenet_classes() -> tuple[str, ...]:
    """The 1,000 classes of ImageNet-1K (WordNet ids), in the order of their indices."""
    return tuple(_lines('imagenet_1k.txt'))
