#!/usr/bin/env python
"""YouTube-VOS from the published archives: train, train_all_frames, valid, test.

youtubevos.py train.zip valid.zip --out data/ytvos
youtubevos.py --check --out data/ytvos
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path

from videomac.datasets import YouTubeVOSDataset
from videomac.datasets.preparation import (
    Converter,
    Member,
    Pictures,
    Rule,
    check_frames,
    check_names,
    check_pictures,
    full_name,
    inspect_dataset,
    make_parser,
    run_command,
)
from videomac.datasets.preparation.official import youtube_vos_train_frames
from videomac.datasets.propagation_base import video_files
from videomac.datasets.tree_check import TreeCheck

SPLITS = ('train', 'valid', 'test')
KEPT = re.compile(
    r'/(?P<split>train|valid|test)(?P<all>_all_frames)?/'
    r'(?P<rest>JPEGImages/[^/]+/\d{5}\.jpg|Annotations/[^/]+/\d{5}\.png|meta\.json)$'
)
#: Videos of the splits whose lists are not public: of 2018, and of 2019.
COUNTS = {'valid': (474, 507), 'test': (508, 541)}


class YouTubeVOS(Converter):
    """Frames, annotations and meta.json of each split in a folder of its own."""

    title = 'YouTube-VOS'
    default_out = 'data/ytvos'
    depth = 2

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the splits to check."""
        parser.add_argument(
            '--splits',
            nargs='+',
            choices=SPLITS,
            help='splits to check [those that are there]',
        )

    def rule(self, members: Sequence[Member], args: argparse.Namespace) -> Rule:
        """Put the archives of all frames where those of the annotated frames go."""
        found = [KEPT.search(_name(member)) for member in members]
        described = {
            match['split']
            for match in found
            if match and match['rest'] == 'meta.json' and not match['all']
        }
        # Or in an earlier conversion.
        root = Path(args.out)
        described |= {name for name in SPLITS if (root / name / 'meta.json').is_file()}

        def place(member: Member) -> str | None:
            match = KEPT.search(_name(member))
            if not match:
                return None
            if match['all'] and match['rest'] == 'meta.json':
                # Two descriptions of one split: that of the official frames is used.
                return (
                    None if match['split'] in described else f'{match["split"]}/meta.json'
                )
            return f'{match["split"]}/{match["rest"]}'

        return place

    def inspect(self, root: Path, check: TreeCheck, args: argparse.Namespace) -> str:
        """Compare train with the official lists; look through valid and test."""
        splits = args.splits or [name for name in SPLITS if (root / name).is_dir()]
        if not splits:
            check.add(f"'{root}' has no folder {', '.join(SPLITS)}")
        told = []
        for split in splits:
            look = self._train if split == 'train' else self._server
            told.append(f'{split}: {look(root / split, check, args)}')
        return '; '.join(told)

    def _train(self, root: Path, check: TreeCheck, args: argparse.Namespace) -> str:
        expected = youtube_vos_train_frames()
        images = root / 'JPEGImages'
        found = {p.name for p in images.iterdir()} if images.is_dir() else set()
        hidden = {name for name in found if name.startswith('.')}
        check_names(
            f"video in '{images}'", found & expected.keys(), found - hidden, check
        )
        frames = {name: video_files(images / name, ('.jpg',)) for name in expected}
        # Every frame is there, or those that are annotated: none but numbers in fives.
        every = any(int(p.stem) % 5 for paths in frames.values() for p in paths)
        present = check_frames(images, expected, check, lambda video: every)
        labels = {
            name: video_files(root / 'Annotations' / name, ('.png',)) for name in present
        }
        for name in present:
            stems = {path.stem for path in frames[name]}
            for path in labels[name]:
                if path.stem not in stems:
                    check.add(f'{path} annotates a frame that is not there')
        self._meta(root, check)
        groups = [
            Pictures((*frames[name], *labels[name]), decode=args.content)
            for name in present
        ]
        check_pictures(groups, args.processes, check, 'looking at the pictures')
        kind = 'every frame' if every else 'annotated frames'
        number = sum(len(frames[name]) for name in present)
        masks = sum(map(len, labels.values()))
        return f'{len(present)} videos, {number} frames ({kind}), {masks} annotations'

    def _meta(self, root: Path, check: TreeCheck) -> None:
        """Compare the videos of meta.json, which training can do without."""
        path = root / 'meta.json'
        if not path.is_file():
            return
        try:
            names = list(json.loads(path.read_text(encoding='utf-8'))['videos'])
        except (ValueError, KeyError, TypeError) as error:
            check.add(f'{path} is not the meta.json of YouTube-VOS ({error!r})')
            return
        check_names(f"video in '{path}'", youtube_vos_train_frames(), names, check)

    def _server(self, root: Path, check: TreeCheck, args: argparse.Namespace) -> str:
        dataset = inspect_dataset(lambda: YouTubeVOSDataset(root), check)
        if dataset is None:
            return 'not readable'
        counts = COUNTS[root.name]
        if len(dataset) not in counts:
            check.add(
                f"'{root}' has {len(dataset)} videos; {counts[0]} of 2018 or {counts[1]} "
                'of 2019 are expected'
            )
        frames = sum(len(folder.frames) for folder in dataset.folders)
        return f'{len(dataset)} videos, {frames} frames'


def _name(member: Member) -> str:
    return f'/{full_name(member)}'


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    return make_parser(YouTubeVOS(), __doc__)


def main(argv: Sequence[str] | None = None) -> None:
    """Convert or check."""
    run_command(YouTubeVOS(), build_parser(), argv)


if __name__ == '__main__':
    main()
