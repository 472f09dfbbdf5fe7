#!/usr/bin/env python
"""ImageNet-1K from the published archives of ILSVRC 2012, or from Kaggle's.

imagenet.py ILSVRC2012_img_train.tar ILSVRC2012_img_val.tar ILSVRC2012_devkit_t12.tar.gz
imagenet.py --check --out data/imagenet
"""

from __future__ import annotations

import argparse
import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from videomac.datasets.preparation import (
    Converter,
    Member,
    Pictures,
    Rule,
    check_names,
    check_pictures,
    make_parser,
    read_member,
    run_command,
)
from videomac.datasets.preparation.official import imagenet_classes
from videomac.datasets.tree_check import TreeCheck

TRAIN = re.compile(r'(n\d{8})_\d+\.JPEG')
VAL = re.compile(r'ILSVRC2012_val_(\d{8})\.JPEG')
CLASS = re.compile(r'n\d{8}')

TRUTH = 'ILSVRC2012_validation_ground_truth.txt'
META = 'meta.mat'
KAGGLE = 'LOC_val_solution.csv'

#: Images in all, and the fewest and most of a class.
EXPECTED = {'train': (1_281_167, 732, 1300), 'val': (50_000, 50, 50)}


class ImageNet(Converter):
    """Images in a folder for each class, those of val by the labels of the devkit."""

    title = 'ImageNet-1K'
    default_out = 'data/imagenet'
    nested = True

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the splits to check."""
        parser.add_argument(
            '--splits',
            nargs='+',
            choices=tuple(EXPECTED),
            default=list(EXPECTED),
            help='splits to check [both]',
        )

    def rule(self, members: Sequence[Member], args: argparse.Namespace) -> Rule:
        """Take the class of a training image from its name, of another from the labels.

        Raises:
            ValueError: Images of val are not in folders of classes and have no labels.
        """
        labels: dict[int, str] = {}
        if any(_is_flat_val(member) for member in members):
            labels = read_labels(members)

        def place(member: Member) -> str | None:
            path = PurePosixPath(member.name)
            match = TRAIN.fullmatch(path.name)
            if match:
                return f'train/{match[1]}/{path.name}'
            match = VAL.fullmatch(path.name)
            if not match:
                return None
            flat = _is_flat_val(member)
            return (
                f'val/{labels[int(match[1])] if flat else path.parent.name}/{path.name}'
            )

        return place

    def inspect(self, root: Path, check: TreeCheck, args: argparse.Namespace) -> str:
        """Compare classes and numbers of images with the official ones."""
        told = []
        for split in args.splits:
            folder = root / split
            if not folder.is_dir():
                check.add(f'{folder} is missing')
                continue
            images = {
                path.name: sorted(path.glob('*.JPEG'))
                for path in folder.iterdir()
                if path.is_dir() and not path.name.startswith('.')
            }
            check_names(f"class in '{folder}'", imagenet_classes(), images, check)
            total = self._count(folder, images, EXPECTED[split], check)
            if args.content:
                groups = [
                    Pictures(tuple(paths), one_size=False, decode=True)
                    for paths in images.values()
                ]
                check_pictures(groups, args.processes, check, f'decoding {split}')
            told.append(f'{split}: {len(images)} classes, {total} images')
        return '; '.join(told)

    def _count(
        self,
        folder: Path,
        images: Mapping[str, Sequence[Path]],
        expected: tuple[int, int, int],
        check: TreeCheck,
    ) -> int:
        whole, fewest, most = expected
        for name, paths in sorted(images.items()):
            if not fewest <= len(paths) <= most:
                wanted = str(most) if fewest == most else f'{fewest} to {most}'
                check.add(f"'{folder / name}' has {len(paths)} images, not {wanted}")
        total = sum(map(len, images.values()))
        if total != whole:
            check.add(f"'{folder}' has {total} images, not {whole}")
        return total


def _is_flat_val(member: Member) -> bool:
    path = PurePosixPath(member.name)
    return bool(VAL.fullmatch(path.name)) and not CLASS.fullmatch(path.parent.name)


def read_labels(members: Sequence[Member]) -> dict[int, str]:
    """Read the classes of the images of val from the devkit or from Kaggle's table.

    Args:
        members: All members of the sources.

    Returns:
        WordNet ids by the number of the image, from 1.

    Raises:
        ValueError: The lists are not there, or not understood.
        ModuleNotFoundError: SciPy, which reads the devkit's, is not installed.
    """
    named = {PurePosixPath(member.name).name: member for member in members}
    if KAGGLE in named:
        text = read_member(named[KAGGLE]).decode()
        rows = csv.DictReader(io.StringIO(text))
        return {
            int(row['ImageId'].rpartition('_')[2]): row['PredictionString'].split()[0]
            for row in rows
        }
    if TRUTH not in named or META not in named:
        raise ValueError(
            'the images of val lie in one folder: to sort them give '
            f'ILSVRC2012_devkit_t12.tar.gz as well (with {TRUTH} and {META}), or '
            f"Kaggle's {KAGGLE}"
        )
    classes = _read_meta(read_member(named[META]))
    numbers = read_member(named[TRUTH]).decode().split()
    return {index: classes[int(number)] for index, number in enumerate(numbers, 1)}


def _read_meta(content: bytes) -> dict[int, str]:
    """Read WordNet ids by ILSVRC2012_ID from the devkit's meta.mat."""
    try:
        from scipy.io import loadmat
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'reading {META} needs SciPy: pip install "scipy>=1.11"', name='scipy'
        ) from error
    synsets = loadmat(io.BytesIO(content), squeeze_me=True)['synsets']
    return {int(one['ILSVRC2012_ID']): str(one['WNID']) for one in synsets.ravel()}


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    return make_parser(ImageNet(), __doc__)


def main(argv: Sequence[str] | None = None) -> None:
    """Convert or check."""
    run_command(ImageNet(), build_parser(), argv)


if __name__ == '__main__':
    main()
