#!/usr/bin/env python
"""Make the lists in videomac/datasets/preparation/lists from the published ones."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from videomac.datasets.preparation.official import LISTS, pack_numbers

Frames = Mapping[str, Sequence[int]]


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('--youtube-vos', type=Path, help='JSON: {video: [names of frames]}')
    add('--vip', type=Path, help='lines with Images/<video>/<frame>.jpg in a column')
    add('--jhmdb', type=Path, help='testlist_split1.txt of UVC or CRW')
    add('--k400', type=Path, help='lines <folders>/<class>/<video>.mp4')
    add('--imagenet', type=Path, help='WordNet ids, one a line, by their index')
    add('--out', type=Path, default=LISTS, help='folder to write to [that of videomac]')
    return parser


def youtube_vos(text: str) -> list[str]:
    """Pack the names of frames; videos are sorted, since the order means nothing."""
    videos = json.loads(text)
    return frame_lines(
        {name: [int(Path(f).stem) for f in videos[name]] for name in sorted(videos)}
    )


def vip(text: str) -> list[str]:
    """Pack the names of frames, videos in the order of the list."""
    frames: dict[str, list[int]] = {}
    for line in text.splitlines():
        path = next(Path(column) for column in line.split() if column.endswith('.jpg'))
        frames.setdefault(path.parent.name, []).append(int(path.stem))
    return frame_lines(frames)


def jhmdb(text: str) -> list[str]:
    """Take ``<action>/<video>`` of the column with the joints."""
    lines = []
    for line in text.splitlines():
        path = next(Path(column) for column in line.split() if column.endswith('.mat'))
        lines.append('/'.join(path.parent.parts[-2:]))
    return lines


def k400(text: str) -> list[str]:
    """Take ``<class>/<video>``, without folders above and without suffix."""
    paths = (Path(line.strip()) for line in text.splitlines() if line.strip())
    return [f'{path.parent.name}/{path.stem}' for path in paths]


def imagenet(text: str) -> list[str]:
    """Take the ids as they are."""
    return text.split()


def frame_lines(frames: Frames) -> list[str]:
    """Write a video and its frames a line."""
    return [f'{name} {pack_numbers(numbers)}' for name, numbers in frames.items()]


MAKERS: dict[str, tuple[str, str, Callable[[str], list[str]]]] = {
    'youtube_vos': (
        'youtube_vos_2018_train.txt',
        'YouTube-VOS 2018 train: video, annotated frames first-last/step',
        youtube_vos,
    ),
    'vip': ('vip_val.txt', 'VIP val: video, frames first-last/step', vip),
    'jhmdb': ('jhmdb_test_split1.txt', 'JHMDB, first test split', jhmdb),
    'k400': (
        'k400_released_subset.txt',
        'Kinetics-400 train: the videos that the released models were trained on',
        k400,
    ),
    'imagenet': ('imagenet_1k.txt', 'ImageNet-1K: classes by their index', imagenet),
}


def write_list(path: Path, title: str, lines: Iterable[str]) -> None:
    """Write a list below its title."""
    path.write_text('\n'.join([f'# {title}', *lines]) + '\n', encoding='utf-8')


def main(argv: Sequence[str] | None = None) -> None:
    """Write the lists whose sources are given."""
    args = build_parser().parse_args(argv)
    for option, (name, title, make) in MAKERS.items():
        source = getattr(args, option)
        if source is not None:
            lines = make(source.read_text(encoding='utf-8'))
            write_list(args.out / name, title, lines)
            print(f'{args.out / name}: {len(lines)} lines')


if __name__ == '__main__':
    main()
