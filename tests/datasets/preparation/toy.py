"""A small data set of its own for conversions."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.datasets.preparation.sources import (
    read_tree,
)
from videomac.datasets import preparation
from videomac.datasets.preparation import (
    Converter,
    Member,
    Rule,
    check_names,
    make_parser,
)
from videomac.datasets.preparation.manifest import (
    FILES,
    SUMMARY,
)
from videomac.datasets.tree_check import BrokenTreeError, TreeCheck

NAMES = [f'v{v}/{t:05d}.jpg' for v in range(5) for t in range(4)]
CONTENT = {f'set/{name}': name.encode() * (i + 1) for i, name in enumerate(NAMES)}


class Toy(Converter):
    """Takes what lies below ``set/`` and adds a list."""

    title = 'Toy'
    default_out = 'data/toy'

    def rule(self, members: Sequence[Member], args: argparse.Namespace) -> Rule:
        def place(member: Member) -> str | None:
            first, _, rest = member.name.partition('set/')
            return rest or None if not first else None

        return place

    def lists(self, args: argparse.Namespace) -> dict[str, str]:
        return {'lists/val.txt': 'v0\n'}

    def inspect(self, root: Path, check: TreeCheck, args: argparse.Namespace) -> str:
        found = [p.parent.name + '/' + p.name for p in root.glob('v*/*.jpg')]
        check_names('frame', NAMES, found, check)
        return f'{len(found)} frames'


def command(*argv: object) -> argparse.Namespace:
    return make_parser(Toy(), None).parse_args([str(word) for word in argv])


def convert(out: Path, *argv: object) -> str:
    return preparation.convert(Toy(), command('--out', out, '--processes', 1, *argv))


def check(out: Path, *argv: object) -> str:
    options = ('--check', '--out', out, '--processes', 1, '--show', 99)
    return preparation.check_tree(Toy(), command(*options, *argv))


def offences(out: Path, *argv: object) -> list[str]:
    with pytest.raises(BrokenTreeError) as caught:
        check(out, *argv)
    return list(caught.value.offences)


EXPECTED = {name.removeprefix('set/'): text for name, text in CONTENT.items()} | {
    'lists/val.txt': b'v0\n'
}


def data(root: Path) -> dict[str, bytes]:
    return {k: v for k, v in read_tree(root).items() if k not in (SUMMARY, FILES)}
