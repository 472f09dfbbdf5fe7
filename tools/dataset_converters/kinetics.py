#!/usr/bin/env python
"""Kinetics-400 from archives or folders of its videos: as frames, or as they are.

kinetics.py k400/train/part_*.tar.gz --annotations train.csv --subset released
kinetics.py --check --out data/k400 --subset released
"""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from videomac.datasets.preparation import (
    Converter,
    FrameOptions,
    Member,
    Rule,
    check_names,
    full_name,
    make_parser,
    run_command,
)
from videomac.datasets.preparation.official import k400_released_subset
from videomac.datasets.preparation.video_trees import (
    add_video_arguments,
    describe_videos,
    find_videos,
    frame_options,
    inspect_videos,
    is_video,
    video_place,
)
from videomac.datasets.tree_check import TreeCheck

VIDEO = re.compile(r'[\w-]{11}_\d{6}_\d{6}')
#: Folders above videos that are no classes.
NO_CLASS = re.compile(
    r'|\.|train(_256)?|val(_256)?|test|videos|part_\d+|(compress|replacement).*'
)
#: Names of archives and folders with good copies of videos that are damaged elsewhere.
REPLACEMENT = re.compile(r'replacement.*')


class Kinetics(Converter):
    """Videos in a folder for each class."""

    title = 'Kinetics-400'
    default_out = 'data/k400'

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the choice of videos and what becomes of them."""
        add = parser.add_argument
        add('--split', default='train', choices=('train', 'val', 'test'))
        add('--annotations', type=Path, help="the publisher's table, <split>.csv")
        add(
            '--subset',
            help='released: the videos of the released models; or a file with a video '
            'a line, of which the name counts [all videos]',
        )
        add_video_arguments(parser)

    def rule(self, members: Sequence[Member], args: argparse.Namespace) -> Rule:
        """Put videos below their class: of the table, else the folder, else the subset.

        Of two copies of a video, that of the publisher's replacements is taken, below
        the class of the other one where only that lies in a folder of a class.

        Raises:
            ValueError: The table or the subset is not understood.
        """
        table = read_table(args)
        subset = read_subset(args)
        paths = [(m, PurePosixPath(m.name)) for m in members if is_video(m.name)]
        replaced = {path.stem for m, path in paths if is_replacement(m)}
        # The copies that are not taken may be the only ones to tell the class.
        classes = dict(subset or {})
        for m, path in paths:
            if path.stem in replaced and not is_replacement(m) and folder_class(path):
                classes[path.stem] = folder_class(path)

        def place(member: Member) -> str | None:
            path = PurePosixPath(member.name)
            if not is_video(path.name) or (
                subset is not None and path.stem not in subset
            ):
                return None
            if path.stem in replaced and not is_replacement(member):
                return None
            found = table.get(path.stem) or folder_class(path) or classes.get(path.stem)
            below = f'{args.split}/{found}' if found else args.split
            return video_place(f'{below}/{path.name}', args)

        return place

    def frames(self, args: argparse.Namespace) -> FrameOptions | None:
        """As the command line says."""
        return frame_options(args)

    def inspect(self, root: Path, check: TreeCheck, args: argparse.Namespace) -> str:
        """Compare with the subset or the table, if there is one; open everything."""
        folder = root / args.split
        if not folder.is_dir():
            check.add(f'{folder} is missing')
            return 'nothing'
        videos = find_videos(folder)
        names = [PurePosixPath(name).name for name in videos]
        expected = read_subset(args)
        if expected is None and args.annotations is not None:
            expected = read_table(args)
        if expected is None:
            for name in names:
                if not VIDEO.fullmatch(name):
                    check.add(
                        f"'{name}' in '{folder}' is not named as a video of Kinetics"
                    )
        else:
            check_names(f"video in '{folder}'", expected, names, check)
        if not videos:
            check.add(f"'{folder}' has no video")
        inspect_videos(videos, check, args)
        classes = {str(PurePosixPath(name).parent) for name in videos} - {'.'}
        return f'{describe_videos(videos)} in {len(classes)} classes'


def is_replacement(member: Member) -> bool:
    """Whether a file is a good copy of a video that is damaged in its own archive."""
    folders = PurePosixPath(full_name(member)).parts[:-1]
    return any(REPLACEMENT.fullmatch(folder) for folder in folders)


def class_name(label: str) -> str:
    """Name of a class as a folder."""
    return label.strip().replace(' ', '_')


def folder_class(path: PurePosixPath) -> str:
    """Class that the folder of a video names, or nothing."""
    folder = path.parent.name
    return '' if NO_CLASS.fullmatch(folder) else class_name(folder)


def _stem(row: Mapping[str, str]) -> str:
    """Name of the video of a row, without suffix."""
    start, end = int(row['time_start']), int(row['time_end'])
    return f'{row["youtube_id"]}_{start:06d}_{end:06d}'


def read_table(args: argparse.Namespace) -> dict[str, str]:
    """Read the classes of the videos of a split from the publisher's table.

    Raises:
        ValueError: It has other columns.
    """
    if args.annotations is None:
        return {}
    with open(args.annotations, encoding='utf-8-sig', newline='') as file:
        rows = list(csv.DictReader(file))
    try:
        return {
            _stem(row): class_name(row.get('label', ''))
            for row in rows
            if row.get('split', args.split) in (args.split, '')
        }
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"'{args.annotations}' is not the table of Kinetics, with the columns label, "
            f'youtube_id, time_start, time_end and split ({error!r})'
        ) from error


def read_subset(args: argparse.Namespace) -> Mapping[str, str] | None:
    """Read the videos to take, with their classes where known; None for all.

    Raises:
        ValueError: The list names no video.
    """
    if args.subset is None:
        return None
    if args.subset == 'released':
        lines: Sequence[str] = k400_released_subset()
    else:
        lines = Path(args.subset).read_text(encoding='utf-8-sig').splitlines()
    videos = {}
    for line in lines:
        path = PurePosixPath(line.strip())
        if path.name:
            stem = path.stem if is_video(path.name) else path.name
            videos[stem] = folder_class(path)
    if not videos:
        raise ValueError(f"'{args.subset}' names no video")
    return videos


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    return make_parser(Kinetics(), __doc__)


def main(argv: Sequence[str] | None = None) -> None:
    """Convert or check."""
    run_command(Kinetics(), build_parser(), argv)


if __name__ == '__main__':
    main()
