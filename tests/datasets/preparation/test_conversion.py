"""Whole conversions: resumed, shared by processes, damaged."""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import multiprocessing
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.datasets.preparation.sources import (
    KINDS,
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
    offences,
)
from videomac.datasets import preparation
from videomac.datasets.preparation import (
    Member,
    Rule,
)
from videomac.datasets.preparation.manifest import (
    FILES,
    SUMMARY,
    Entry,
    Journal,
    read_entries,
)
from videomac.datasets.preparation.target import STATE, Target, locked
from videomac.datasets.tree_check import BrokenTreeError


@pytest.mark.parametrize('kind', KINDS)
def test_processes_write_what_one_process_writes(tmp_path: Path, kind: str) -> None:
    more = {f'set/w/{t:05d}.jpg': os.urandom(2**12) for t in range(150)}
    first = make_source(tmp_path / 'a', 'part1', kind, CONTENT | {'README': b''})
    second = make_source(tmp_path / 'b', 'part2', kind, more)
    convert(tmp_path / '1', first, second)
    convert(tmp_path / '3', first, second, '--processes', 3)
    assert read_tree(tmp_path / '1') == read_tree(tmp_path / '3')  # the manifest too
    assert data(tmp_path / '1') == EXPECTED | {
        name.removeprefix('set/'): text for name, text in more.items()
    }


def test_the_manifest_counts_and_hashes(tmp_path: Path) -> None:
    source = make_zip(tmp_path / 'set.zip', CONTENT | {'README': b'x'})
    convert(tmp_path / 'out', source)
    summary = json.loads((tmp_path / 'out' / SUMMARY).read_text())
    size = sum(map(len, CONTENT.values()))
    assert summary['sources'] == [
        {'name': 'set.zip', 'files': 21, 'bytes': size + 1, 'used': 20}
    ]
    assert sum(part['files'] for part in summary['counts'].values()) == 21
    assert sum(part['bytes'] for part in summary['counts'].values()) == size + 3
    assert summary['counts']['v0']['files'] == 4
    packed = (tmp_path / 'out' / FILES).read_bytes()
    lines = gzip.decompress(packed)
    assert hashlib.sha256(lines).hexdigest() == summary['files_sha256']
    for path, files, length, digest, _, source in map(json.loads, lines.splitlines()):
        assert source == ('' if path == 'lists/val.txt' else 'set.zip')
        content = (tmp_path / 'out' / path).read_bytes()
        assert (files, length) == (1, len(content))
        assert digest == hashlib.sha256(content).hexdigest()
    assert not (tmp_path / 'out' / STATE).exists()


def die_in_the_middle(source: Path, out: Path, after: int) -> None:
    """Convert, and die between writing and placing a file, as by SIGKILL."""
    place, calls = Target.place, iter(range(after))

    def mortal(self: Target, part: Path, name: str) -> Path:
        if next(calls, None) is None:
            os._exit(9)
        return place(self, part, name)

    Target.place = mortal  # type: ignore[method-assign]  # in a process of its own
    convert(out, source)


@pytest.mark.parametrize('kind', ['folder', '.zip', '.tar.gz'])
def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path, kind: str) -> None:
    source = make_source(tmp_path / 'src', 'x', kind, CONTENT)
    out = tmp_path / 'out'
    context = multiprocessing.get_context('fork')
    killed = context.Process(target=die_in_the_middle, args=(source, out, 7))
    killed.start()
    killed.join()
    assert killed.exitcode == 9
    assert list((out / STATE / 'parts').iterdir())  # half a file
    written = {p: p.stat().st_mtime_ns for p in out.glob('v*/*.jpg')}
    assert len(written) == 7
    assert any('was cut off' in offence for offence in offences(out))
    told = convert(out, source)
    assert '20 files belong' in told
    assert '13 were written now' in told
    assert {p: p.stat().st_mtime_ns for p in written} == written
    assert data(out) == EXPECTED
    convert(tmp_path / 'whole', source)
    assert read_tree(out) == read_tree(tmp_path / 'whole')


def test_a_torn_line_of_the_journal_costs_one_comparison(tmp_path: Path) -> None:
    source = make_zip(tmp_path / 'x.zip', CONTENT)
    out = tmp_path / 'out'
    convert(out, source)
    lines = gzip.decompress((out / FILES).read_bytes()).decode().splitlines(True)
    journal = out / STATE / 'journal-1.jsonl'
    journal.parent.mkdir()
    journal.write_text(''.join(line for line in lines if '"v' in line)[:-5])
    (out / FILES).unlink()
    (out / SUMMARY).unlink()
    assert ' 0 were written now (of 0.0 MB), 1 lay there alike' in convert(out, source)
    check(out, '--content')


@pytest.mark.parametrize('rest', ['', '["v9/0.jpg", 1, 5, "ab'])
def test_a_reused_number_of_a_process_loses_nothing(tmp_path: Path, rest: str) -> None:
    """Entries after a line that was cut off count, and those before it."""
    one, two, three = (Entry(f'v0/{i}.jpg', 1, i, 'abc', 'x') for i in range(3))
    path = tmp_path / STATE / f'journal-{os.getpid()}.jsonl'
    path.parent.mkdir()
    path.write_text(one.line() + rest)
    for entry in (two, three):
        journal = Journal(tmp_path)
        journal.add(entry)
        journal.close()
    assert read_entries(tmp_path) == {each.path: each for each in (one, two, three)}
    assert path.read_text().count('\n') == 3 + bool(rest)


def test_nothing_is_written_twice(tmp_path: Path) -> None:
    source = make_zip(tmp_path / 'x.zip', CONTENT)
    convert(tmp_path / 'out', source)
    assert ' 0 were written now' in convert(tmp_path / 'out', source)


def test_what_changed_or_vanished_is_written_again(tmp_path: Path) -> None:
    source, out = tmp_path / 'x.zip', tmp_path / 'out'
    convert(out, make_zip(source, CONTENT))
    changed = {'set/v0/00000.jpg': CONTENT['set/v0/00000.jpg'][::-1]}  # of the same size
    make_zip(source, CONTENT | changed)
    (out / 'v1/00000.jpg').unlink()
    (out / 'v2/00000.jpg').write_bytes(b'')
    assert ' 3 were written now' in convert(out, source)
    assert data(out) == EXPECTED | {'v0/00000.jpg': changed['set/v0/00000.jpg']}
    check(out, '--content')


def test_later_sources_are_added(tmp_path: Path) -> None:
    half = dict(list(CONTENT.items())[:8])
    out = tmp_path / 'out'
    convert(out, make_zip(tmp_path / '1.zip', half))
    assert len(offences(out)) == 12
    rest = {name: text for name, text in CONTENT.items() if name not in half}
    convert(out, make_tar(tmp_path / '2.tar', rest))
    assert 'entries of the manifest' in check(out, '--content')
    names = [one['name'] for one in json.loads((out / SUMMARY).read_text())['sources']]
    assert names == ['1.zip', '2.tar']


def test_all_but_the_damaged_is_written_and_repaired_later(tmp_path: Path) -> None:
    source, out = tmp_path / 'x.zip', tmp_path / 'out'
    make_zip(source, CONTENT)
    whole = source.read_bytes()
    broken = whole
    for name in ('set/v0/00001.jpg', 'set/v3/00002.jpg'):
        old, new = CONTENT[name], CONTENT[name].upper()
        broken = broken.replace(name.encode() + old, name.encode() + new)
    source.write_bytes(broken)
    with pytest.raises(BrokenTreeError) as caught:
        convert(out, source)
    assert len(caught.value.offences) == 2
    assert 'v0/00001.jpg is damaged' in str(caught.value)
    assert len(list(out.glob('v*/*.jpg'))) == 18
    assert sorted(offences(out)) == [
        'missing frame: v0/00001.jpg',
        'missing frame: v3/00002.jpg',
    ]
    source.write_bytes(whole)
    assert ' 2 were written now' in convert(out, source)
    assert data(out) == EXPECTED


def test_all_offences_of_all_sources_are_told_and_nothing_is_written(
    tmp_path: Path,
) -> None:
    one = make_tar(tmp_path / '1.tar', CONTENT | {'../a': b'', '/b': b''})
    two = make_zip(tmp_path / '2.zip', {'c/../../d': b''})
    with pytest.raises(BrokenTreeError, match='3 problems') as caught:
        convert(tmp_path / 'out', one, two)
    assert "'../a'" in str(caught.value)
    assert "'/b'" in str(caught.value)
    assert "'c/../../d'" in str(caught.value)
    assert set(tmp_path.iterdir()) == {one, two}


def test_sources_may_share_files_that_are_alike(tmp_path: Path) -> None:
    one = make_zip(tmp_path / '1.zip', {'set/list.txt': b'abc', 'set/v0/a.jpg': b'1'})
    two = make_zip(tmp_path / '2.zip', {'set/list.txt': b'abc'})
    convert(tmp_path / 'out', one, two)
    for text in (b'abd', b'abcd'):
        make_zip(two, {'set/list.txt': text})
        with pytest.raises(BrokenTreeError, match='differ, and both belong'):
            convert(tmp_path / 'out', one, two)


@pytest.mark.parametrize('kind', KINDS)
def test_files_of_one_size_are_compared(tmp_path: Path, kind: str) -> None:
    """By their content, whatever they are in."""
    files = {'set/list.txt': b'abc', 'set/v0/a.jpg': b'1'}
    one = make_source(tmp_path / '1', 'one', kind, files)
    for number, text in enumerate((b'abc', b'abd')):
        for other_kind in KINDS:
            folder = tmp_path / f'{number}{other_kind}'
            other = make_source(folder, 'two', other_kind, {'set/list.txt': text})
            out = folder / 'out'
            if text == b'abc':
                convert(out, one, other)
                continue
            with pytest.raises(BrokenTreeError, match=r'two.*list.txt and .* differ'):
                convert(out, one, other)
            assert not out.exists()


def test_two_videos_of_one_size_for_one_place(tmp_path: Path) -> None:
    class Stems(Toy):
        def rule(self, members: Sequence[Member], args: argparse.Namespace) -> Rule:
            return lambda member: member.name.rpartition('.')[0]

    for last, differs in ((b'1', False), (b'2', True)):
        source = make_folder(tmp_path / 'src', {'v.mkv': b'v1', 'v.mp4': b'v' + last})
        args = command(source, '--out', tmp_path / 'out', '--processes', 1)
        if not differs:
            preparation.convert(Stems(), args)
            continue
        with pytest.raises(BrokenTreeError, match=r"v.mp4 and .*v.mkv differ.* 'v'"):
            preparation.convert(Stems(), args)


def test_a_tree_is_not_converted_onto_itself(tmp_path: Path) -> None:
    class Same(Toy):
        def rule(self, members: Sequence[Member], args: argparse.Namespace) -> Rule:
            return lambda member: member.name

    make_folder(tmp_path / 'out', {'v0/00000.jpg': b'x'})
    with pytest.raises(BrokenTreeError, match='in its place already; use --check'):
        preparation.convert(Same(), command(tmp_path / 'out', '--out', tmp_path / 'out'))
    assert data(tmp_path / 'out') == {'v0/00000.jpg': b'x'}


def test_a_source_without_the_data_set_is_an_error(tmp_path: Path) -> None:
    source = make_zip(tmp_path / 'x.zip', {'a.jpg': b''})
    with pytest.raises(ValueError, match=r'none of 1 files in .* belongs to Toy'):
        convert(tmp_path / 'out', source)


def test_a_second_conversion_waits(tmp_path: Path) -> None:
    source = make_zip(tmp_path / 'x.zip', CONTENT)
    with locked(tmp_path / 'out'), pytest.raises(ValueError, match='another conversion'):
        convert(tmp_path / 'out', source)


def test_full_disks_are_noticed_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_zip(tmp_path / 'x.zip', CONTENT)
    usage = shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: usage)
    with pytest.raises(ValueError, match='GB are needed'):
        convert(tmp_path / 'out', source)
