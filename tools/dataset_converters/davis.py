#!/usr/bin/env python
"""DAVIS-2017 and DAVIS-2016 from the published archives.

davis.py DAVIS-2017-trainval-480p.zip --out data/davis
davis.py --check --out data/davis
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from videomac.datasets import DAVISDataset
from videomac.datasets.preparation import (
    Converter,
    Member,
    Rule,
    check_frames,
    check_names,
    full_name,
    inspect_dataset,
    make_parser,
    run_command,
)
from videomac.datasets.preparation.official import davis_frames
from videomac.datasets.tree_check import TreeCheck

PICTURE = re.compile(
    r'/((?:JPEGImages|Annotations)/(?:480p|1080p|Full-Resolution)/[^/]+/\d{5}\.(?:jpg|png))$'
)
LIST = re.compile(r'/(ImageSets/(?:2016|2017|480p|1080p)/[\w-]+\.txt)$')


class DAVIS(Converter):
    """Frames and annotations of any resolution, and the lists."""

    title = 'DAVIS'
    default_out = 'data/davis'
    depth = 2

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the year whose val split is checked."""
        parser.add_argument(
            '--year',
            type=int,
            choices=(2016, 2017),
            default=2017,
            help='whose val split is checked [%(default)s]',
        )

    def rule(self, members: Sequence[Member], args: argparse.Namespace) -> Rule:
        """Keep the layout of the archives, without the folder around it."""

        def place(member: Member) -> str | None:
            name = full_name(member)
            match = PICTURE.search(name) or LIST.search(name)
            return match[1] if match else None

        return place

    def lists(self, args: argparse.Namespace) -> Mapping[str, str]:
        """The official lists, for sources without any."""
        return {
            f'ImageSets/{year}/val.txt': '\n'.join(davis_frames(year)) + '\n'
            for year in (2016, 2017)
        }

    def inspect(self, root: Path, check: TreeCheck, args: argparse.Namespace) -> str:
        """Compare videos and frames with the official ones, then open all pictures."""
        expected = davis_frames(args.year)
        frames = root / 'JPEGImages' / '480p'
        present = check_frames(frames, expected, check)
        listed = inspect_dataset(
            lambda: DAVISDataset(root, year=args.year, check=False), check
        )
        if listed is not None:
            names = listed.metainfo['videos']
            check_names(f'video in the val list of {args.year}', expected, names, check)
            usable = [name for name in present if name in names]
            if usable:
                inspect_dataset(
                    lambda: DAVISDataset(root, year=args.year, videos=usable), check
                )
        number = sum(len(expected[name]) for name in present)
        return f'DAVIS-{args.year} val, {len(present)} videos, {number} frames'


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    return make_parser(DAVIS(), __doc__)


def main(argv: Sequence[str] | None = None) -> None:
    """Convert or check."""
    run_command(DAVIS(), build_parser(), argv)


if __name__ == '__main__':
    main()
