#!/usr/bin/env python
"""JHMDB from the published archives of frames, joints and splits.

jhmdb.py Rename_Images.tar.gz joint_positions.zip splits.zip --out data/jhmdb
jhmdb.py --check --out data/jhmdb
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from videomac.datasets import JHMDBDataset
from videomac.datasets.jhmdb import read_joints
from videomac.datasets.preparation import (
    Converter,
    Member,
    Rule,
    check_names,
    full_name,
    inspect_dataset,
    make_parser,
    run_command,
)
from videomac.datasets.preparation.official import jhmdb_videos
from videomac.datasets.tree_check import TreeCheck

KEPT = re.compile(
    r'/(Rename_Images/[^/]+/[^/]+/\d{5}\.png'
    r'|joint_positions/[^/]+/[^/]+/joint_positions\.mat'
    r'|splits/[\w-]+\.txt)$'
)
SPLIT = 'testlist_split1.txt'


class JHMDB(Converter):
    """Frames, joints, and the list of the first test split."""

    title = 'JHMDB'
    default_out = 'data/jhmdb'

    def rule(self, members: Sequence[Member], args: argparse.Namespace) -> Rule:
        """Keep the layout of the archives."""

        def place(member: Member) -> str | None:
            match = KEPT.search(full_name(member))
            return match[1] if match else None

        return place

    def lists(self, args: argparse.Namespace) -> Mapping[str, str]:
        """The clips of the first test split, as UVC lists them."""
        lines = [
            f'joint_positions/{name}/joint_positions.mat Rename_Images/{name}'
            for name in jhmdb_videos()
        ]
        return {SPLIT: '\n'.join(lines) + '\n'}

    def inspect(self, root: Path, check: TreeCheck, args: argparse.Namespace) -> str:
        """Compare the clips with the official ones, then open all pictures and joints."""
        clips = jhmdb_videos()
        uneven = 0
        listed = inspect_dataset(lambda: JHMDBDataset(root, check=False), check)
        present = [name for name in clips if (root / 'Rename_Images' / name).is_dir()]
        check_names(f"clip in '{root / 'Rename_Images'}'", clips, present, check)
        if listed is not None:
            names = listed.metainfo['videos']
            check_names(f'clip in {SPLIT}', clips, names, check)
            usable = [name for name in present if name in names]
            dataset = inspect_dataset(
                lambda: JHMDBDataset(root, videos=usable or None), check
            )
            if dataset is not None:
                uneven = self._count_uneven(dataset)
        frames = sum(
            len(list((root / 'Rename_Images' / name).glob('*.png'))) for name in present
        )
        note = f', {uneven} with another number of joints' if uneven else ''
        return f'first test split, {len(present)} clips{note}, {frames} frames'

    def _count_uneven(self, dataset: JHMDBDataset) -> int:
        """Count clips with more frames than joints or the other way round.

        They are no offence, since the evaluation ends with the shorter.
        """
        return sum(
            len(read_joints(folder.labels[0])) != len(folder.frames)
            for folder in dataset.folders
        )


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    return make_parser(JHMDB(), __doc__)


def main(argv: Sequence[str] | None = None) -> None:
    """Convert or check."""
    run_command(JHMDB(), build_parser(), argv)


if __name__ == '__main__':
    main()
