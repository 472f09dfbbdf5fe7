#!/usr/bin/env python
"""VIP (video instance-level parsing) from the published archive VIP_Fine.

vip.py VIP_Fine.zip --out data/VIP_Fine
vip.py --check --out data/VIP_Fine
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from videomac.datasets import VIPDataset
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
from videomac.datasets.preparation.official import vip_val_frames
from videomac.datasets.tree_check import TreeCheck

FRAME = re.compile(r'/(Images/videos\d+/\d{12}\.jpg)$')
LABEL = re.compile(r'/((?:Category|Human|Instance)_ids/videos\d+/\d{12}\.(?:png|txt))$')
LIST = re.compile(r'/(lists/[\w-]+\.txt)$')


class VIP(Converter):
    """Annotated frames, their label maps, and the lists."""

    title = 'VIP'
    default_out = 'data/VIP_Fine'
    depth = 2

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add whether instances are checked."""
        parser.add_argument(
            '--instances', action='store_true', help='check the instances as well'
        )

    def rule(self, members: Sequence[Member], args: argparse.Namespace) -> Rule:
        """Bring mirrors, which have no folder Annotations, to the official layout."""

        def place(member: Member) -> str | None:
            name = full_name(member)
            label = LABEL.search(name)
            if label:
                return f'Annotations/{label[1]}'
            match = FRAME.search(name) or LIST.search(name)
            return match[1] if match else None

        return place

    def lists(self, args: argparse.Namespace) -> Mapping[str, str]:
        """The official list of val, for sources without any."""
        return {'lists/val_videos.txt': '\n'.join(vip_val_frames()) + '\n'}

    def inspect(self, root: Path, check: TreeCheck, args: argparse.Namespace) -> str:
        """Compare videos and frames with the official ones, then open all pictures."""
        expected = vip_val_frames()
        present = check_frames(root / 'Images', expected, check)
        listed = inspect_dataset(lambda: VIPDataset(root, check=False), check)
        if listed is not None:
            names = listed.metainfo['videos']
            check_names('video in lists/val_videos.txt', expected, names, check)
            usable = [name for name in present if name in names]
            kinds = ('category', 'instance') if args.instances else ('category',)
            for kind in kinds if usable else ():
                inspect_dataset(
                    partial(VIPDataset, root, labels=kind, videos=usable), check
                )
        number = sum(len(expected[name]) for name in present)
        return f'val, {len(present)} videos, {number} frames'


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    return make_parser(VIP(), __doc__)


def main(argv: Sequence[str] | None = None) -> None:
    """Convert or check."""
    run_command(VIP(), build_parser(), argv)


if __name__ == '__main__':
    main()
