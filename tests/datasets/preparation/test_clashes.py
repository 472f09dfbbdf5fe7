"""What lies in the target already: kept, taken over or refused, never lost."""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.datasets.preparation.sources import (
    make_folder,
    make_source,
    make_tar,
    make_zip,
    read_tree,
)
from tests.datasets.preparation.toy import (
    CONTENT,
    EXPECTED,
    Toy,
    check,
    command,
    convert,
    data,
)
from videomac.datasets import preparation
from videomac.datasets.preparation import Member, Rule
from videomac.datasets.preparation.manifest import FILES, SUMMARY, read_summary
from videomac.datasets.tree_check import BrokenTreeError

NAME = 'v0/00001.jpg'
OWN = EXPECTED[NAME][::-1]  # of the same size


@pytest.mark.parametrize(
    'own',
    [OWN, b'', OWN * 2, None, 'link'],
    ids=['other', 'empty', 'longer', 'folder', 'link'],
)
def test_files_of_others_are_not_replaced(
    own: bytes | str | None, tmp_path: Path
) -> None:
    """Nor is a folder, or a link wherever it leads; nothing is written then."""
    out = make_folder(tmp_path / 'out', {'notes.txt': b'mine'})
    place = out / NAME
    if isinstance(own, bytes):
        make_folder(out, {NAME: own})
    elif own is None:
        make_folder(place, {'deep/x': b'x'})
    else:
        place.parent.mkdir()
        place.symlink_to('nowhere')
    before = sorted(out.rglob('*')), read_tree(out)
    source = make_zip(tmp_path / 'x.zip', CONTENT)
    with pytest.raises(BrokenTreeError, match='Nothing was written') as caught:
        convert(out, source)
    told = f"'{place}' is there already, and was not written by a conversion"
    assert caught.value.offences == (told,)
    assert (sorted(out.rglob('*')), read_tree(out)) == before


def test_few_of_many_are_listed(tmp_path: Path) -> None:
    others = {name: text[::-1] for name, text in EXPECTED.items()}
    out = make_folder(tmp_path / 'out', others)
    source = make_zip(tmp_path / 'x.zip', CONTENT)
    with pytest.raises(BrokenTreeError, match=r'20 problems(\n  - .*){2}\n  and 18 more'):
        convert(out, source, '--show', 2)
    assert read_tree(out) == others


@pytest.mark.parametrize('kind', ['folder', '.zip', '.tar', '.tar.gz'])
@pytest.mark.parametrize('processes', [1, 2])
def test_a_tree_unpacked_by_hand_is_taken_over(
    processes: int, kind: str, tmp_path: Path
) -> None:
    source = make_source(tmp_path / 'src', 'x', kind, CONTENT)
    half = dict(list(EXPECTED.items())[:9])
    out = make_folder(tmp_path / 'out', half)
    written = {name: (out / name).stat().st_mtime_ns for name in half}
    told = convert(out, source, '--processes', processes)
    assert ' 11 were written now (of 0.0 MB), 9 lay there alike, ' in told
    assert {name: (out / name).stat().st_mtime_ns for name in half} == written
    convert(tmp_path / 'whole', source)
    assert read_tree(out) == read_tree(tmp_path / 'whole')


def test_what_is_damaged_in_the_source_leaves_what_is_there(tmp_path: Path) -> None:
    source = make_zip(tmp_path / 'x.zip', CONTENT)
    old = f'set/{NAME}'.encode() + EXPECTED[NAME]
    source.write_bytes(source.read_bytes().replace(old, old[:-1] + b'?'))
    out = make_folder(tmp_path / 'out', EXPECTED)
    with pytest.raises(BrokenTreeError, match=r'1 problem\n.* is damaged'):
        convert(out, source)
    assert data(out) == EXPECTED


@pytest.mark.parametrize(
    'content',
    [b'{"name": "my extension"}', b'["no table"]', b'no JSON'],
    ids=['table', 'list', 'text'],
)
def test_a_manifest_of_something_else_is_not_replaced(
    content: bytes, tmp_path: Path
) -> None:
    out = make_folder(tmp_path / 'out', {SUMMARY: content})
    with pytest.raises(ValueError, match=SUMMARY):
        convert(out, make_zip(tmp_path / 'x.zip', CONTENT))
    assert read_tree(out) == {SUMMARY: content}


@pytest.mark.parametrize('kind', ['folder', '.zip', '.tar', '.tar.gz'])
@pytest.mark.parametrize('own', [OWN, OWN * 2], ids=['other', 'longer'])
def test_two_sources_for_one_place(own: bytes, kind: str, tmp_path: Path) -> None:
    """Refused one after the other as they are together, unless they are alike."""
    one = make_zip(tmp_path / 'one.zip', CONTENT)
    two = make_source(tmp_path, 'two', kind, {f'set/{NAME}': own})
    like = make_source(tmp_path, 'like', kind, {f'set/{NAME}': EXPECTED[NAME]})
    out = tmp_path / 'out'
    convert(out, one)
    before = read_tree(out)
    with pytest.raises(BrokenTreeError, match='1 problem') as caught:
        convert(out, two)
    (told,) = caught.value.offences
    assert told.startswith(f"'{out / NAME}' came from 'one.zip', and {two}")
    assert told.endswith(f'set/{NAME} differs')
    assert read_tree(out) == before
    assert ' 0 were written now (of 0.0 MB), 1 lay there alike' in convert(out, like)
    assert ' 0 were written now' in convert(out, like)
    convert(out, one, like)
    assert data(out) == EXPECTED
    assert {row['name'] for row in read_summary(out)['sources']} == {one.name, like.name}


def test_tars_without_times_are_told_apart(tmp_path: Path) -> None:
    """Name, size and time of the two files are alike."""
    convert(tmp_path / 'out', make_tar(tmp_path / 'one.tar', CONTENT))
    two = make_tar(tmp_path / 'two.tar', {f'set/{NAME}': OWN})
    with pytest.raises(BrokenTreeError, match=r'two\.tar.* differs'):
        convert(tmp_path / 'out', two)


def test_a_source_of_the_same_name_replaces_its_own(tmp_path: Path) -> None:
    """From wherever it was fetched again; the summary tells how much."""
    out = tmp_path / 'out'
    for folder, text, told in (
        ('a', EXPECTED[NAME], ' 20 were written now (of 0.0 MB), 0 left out'),
        ('b', EXPECTED[NAME], ' 0 were written now (of 0.0 MB), 0 left out'),
        ('c', OWN, ' 1 were written now (of 0.0 MB), 1 of them in place of older ones'),
    ):
        (tmp_path / folder).mkdir()
        files = CONTENT | {f'set/{NAME}': text}
        assert told in convert(out, make_zip(tmp_path / folder / 'x.zip', files))
        assert (out / NAME).read_bytes() == text


def test_the_layout_may_choose_where_both_sources_are_given(tmp_path: Path) -> None:
    class LastOne(Toy):
        def rule(self, members: Sequence[Member], args: argparse.Namespace) -> Rule:
            place = super().rule(members, args)
            last = {member.name: member for member in members}
            return lambda member: place(member) if last[member.name] is member else None

    def run(*sources: Path) -> str:
        args = command(*sources, '--out', tmp_path / 'out', '--processes', 1)
        return preparation.convert(LastOne(), args)

    one = make_zip(tmp_path / 'one.zip', CONTENT)
    two = make_zip(tmp_path / 'two.zip', {f'set/{NAME}': OWN})
    run(one)
    with pytest.raises(BrokenTreeError, match='given in one command'):
        run(two)
    assert ' 1 were written now (of 0.0 MB), 1 of them in place of older' in run(one, two)
    assert data(tmp_path / 'out') == EXPECTED | {NAME: OWN}


def test_manifests_without_the_names_of_sources_are_read(tmp_path: Path) -> None:
    """What they list may be replaced, for nobody knows where it came from."""
    out = tmp_path / 'out'
    convert(out, make_zip(tmp_path / 'one.zip', CONTENT))
    lines = gzip.decompress((out / FILES).read_bytes()).splitlines()
    old = ''.join(json.dumps(json.loads(line)[:5]) + '\n' for line in lines)
    (out / FILES).write_bytes(gzip.compress(old.encode()))
    check(out, '--content')
    assert ' 0 were written now' in convert(out, tmp_path / 'one.zip')
    two = make_zip(tmp_path / 'two.zip', {f'set/{NAME}': OWN})
    assert ' 1 of them in place of older ones' in convert(out, two)
    check(out, '--content')


def test_sources_of_one_name_have_a_row_each(tmp_path: Path) -> None:
    half = dict(list(CONTENT.items())[:8])
    rest = {name: text for name, text in CONTENT.items() if name not in half}
    sources = [
        make_source(tmp_path / 'train', 'part_0', '.tar.gz', half),
        make_source(tmp_path / 'val', 'part_0', '.tar.gz', rest | {'README': b''}),
    ]
    for _ in range(2):
        convert(tmp_path / 'out', *sources)
        rows = read_summary(tmp_path / 'out')['sources']
        assert {row['name'] for row in rows} == {'part_0.tar.gz'}
        assert [(row['files'], row['used']) for row in rows] == [(8, 8), (13, 12)]
