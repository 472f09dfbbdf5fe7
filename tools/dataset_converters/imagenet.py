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
COLUMNS = ('ImageId', 'PredictionString')
ADVICE = (
    f'Give ILSVRC2012_devkit_t12.tar.gz (with {TRUTH} and {META}), or {KAGGLE} of '
    "Kaggle's archive, as published"
)

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
            ValueError: Images of val are not in folders of classes and have no labels,
                or the labels cannot be read.
        """
        flat = [member for member in members if _is_flat_val(member)]
        labels = read_labels(members) if flat else {}
        bare = [member.path for member in flat if _number(member) not in labels]
        if bare:
            raise ValueError(
                f'{len(bare)} images of val have no label in the list of {len(labels)}, '
                f'first {bare[0]}. {ADVICE}'
            )

        def place(member: Member) -> str | None:
            path = PurePosixPath(member.name)
            match = TRAIN.fullmatch(path.name)
            if match:
                return f'train/{match[1]}/{path.name}'
            if not VAL.fullmatch(path.name):
                return None
            wnid = labels[_number(member)] if _is_flat_val(member) else path.parent.name
            return f'val/{wnid}/{path.name}'

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


def _number(member: Member) -> int:
    """Number of an image of val."""
    return int(PurePosixPath(member.name).stem.rpartition('_')[2])


def read_labels(members: Sequence[Member]) -> dict[int, str]:
    """Read the classes of the images of val from the devkit or from Kaggle's table.

    Args:
        members: All members of the sources.

    Returns:
        WordNet ids by the number of the image, from 1.

    Raises:
        ValueError: The lists are not there, or not understood; names the file.
        ModuleNotFoundError: SciPy, which reads the devkit's, is not installed.
    """
    named = {PurePosixPath(member.name).name: member for member in members}
    if KAGGLE in named:
        return _read_table(named[KAGGLE])
    if TRUTH not in named or META not in named:
        raise ValueError(
            f'the images of val lie in one folder and need labels to be sorted. {ADVICE}'
        )
    classes = _read_meta(named[META])
    numbers = _read_text(named[TRUTH]).split()
    labels = {i: classes.get(number, '') for i, number in enumerate(numbers, 1)}
    wrong = [i for i, wnid in labels.items() if not wnid]
    if wrong:
        raise ValueError(
            f'{named[TRUTH].path}: entry {wrong[0]}, {numbers[wrong[0] - 1][:40]!r}, is '
            f'no number of a class in {named[META].path}. {ADVICE}'
        )
    return labels


def _read_text(member: Member) -> str:
    try:
        return read_member(member).decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(f'{member.path} is no text ({error}). {ADVICE}') from error


def _read_table(member: Member) -> dict[int, str]:
    """Read Kaggle's table: a row for each image, with its class first in the boxes."""
    labels = {}
    try:
        rows = csv.DictReader(io.StringIO(_read_text(member), newline=''))
        missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise ValueError(
                f'{member.path} has no column {" and none ".join(missing)} in its first '
                f'line, {str(rows.fieldnames)[:80]}. {ADVICE}'
            )
        for row in rows:
            image, boxes = (row[name] or '' for name in COLUMNS)
            found = VAL.fullmatch(f'{image}.JPEG')
            wnid = boxes.partition(' ')[0]
            if not found or not CLASS.fullmatch(wnid):
                raise ValueError(
                    f'{member.path}, line {rows.line_num}: {image[:40]!r} with '
                    f'{boxes[:40]!r} is no image of val with its class. {ADVICE}'
                )
            labels[int(found[1])] = wnid
    except csv.Error as error:
        raise ValueError(f'{member.path} is no table ({error}). {ADVICE}') from error
    return labels


def _read_meta(member: Member) -> dict[str, str]:
    """Read WordNet ids by ILSVRC2012_ID from the devkit's meta.mat."""
    try:
        from scipy.io import loadmat
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'reading {META} needs SciPy: pip install "scipy>=1.11"', name='scipy'
        ) from error
    content = read_member(member)
    try:
        synsets = loadmat(io.BytesIO(content), squeeze_me=True)['synsets'].ravel()
        return {str(int(one['ILSVRC2012_ID'])): str(one['WNID']) for one in synsets}
    except Exception as error:  # SciPy raises whatever a damaged byte leads to
        raise ValueError(
            f"{member.path} is no MATLAB file with the devkit's table 'synsets' "
            f'({error!r}). {ADVICE}'
        ) from error


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    return make_parser(ImageNet(), __doc__)


def main(argv: Sequence[str] | None = None) -> None:
    """Convert or check."""
    run_command(ImageNet(), build_parser(), argv)


if __name__ == '__main__':
    main()
