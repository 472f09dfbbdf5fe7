"""Checks of a tree against its lists and its manifest, and the command line."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.datasets.preparation.sources import (
    make_folder,
    make_zip,
)
from tests.datasets.preparation.toy import (
    CONTENT,
    EXPECTED,
    Toy,
    check,
    convert,
    offences,
)
from videomac.datasets.preparation import (
    make_parser,
    run_command,
)
from videomac.datasets.preparation.manifest import (
    FILES,
    SUMMARY,
    entry_offence,
    read_entries,
    read_summary,
)


@pytest.mark.parametrize('processes', [1, 2])
def test_the_check_tells_every_kind_of_damage(tmp_path: Path, processes: int) -> None:
    out = tmp_path / 'out'
    convert(out, make_zip(tmp_path / 'x.zip', CONTENT))
    assert '20 frames' in check(out)
    (out / 'v0/00000.jpg').unlink()
    (out / 'v1/00001.jpg').write_bytes(b'short')
    (out / 'v2/stray.jpg').write_bytes(b'')
    (out / 'notes.txt').write_bytes(b'')
    (out / '.hidden').write_bytes(b'')
    same_size = (out / 'v3/00003.jpg').read_bytes().swapcase()
    (out / 'v3/00003.jpg').write_bytes(same_size)
    size = len(EXPECTED['v1/00001.jpg'])
    quick = [
        'missing frame: v0/00000.jpg',
        'unknown frame: v2/stray.jpg',
        f'{out}/v0/00000.jpg is missing',
        f'{out}/v1/00001.jpg has 5 bytes, {size} were written',
        f'{out}/notes.txt is not in the manifest',
        f'{out}/v2/stray.jpg is not in the manifest',
    ]
    options = ('--processes', processes)
    assert offences(out, *options) == quick
    corrupt = f'{out}/v3/00003.jpg has another content than was written'
    found = offences(out, '--content', *options)
    assert [text for text in found if not text.startswith(corrupt)] == quick
    assert len(found) == len(quick) + 1


def test_damaged_manifests_are_told(tmp_path: Path) -> None:
    out = tmp_path / 'out'
    convert(out, make_zip(tmp_path / 'x.zip', CONTENT))
    (out / FILES).write_bytes(b'no gzip')
    with pytest.raises(ValueError, match=r'manifest_files.* is damaged'):
        check(out)


@pytest.mark.parametrize('text', ['{"counts":', '[1]', 'null'])
def test_damaged_summaries_are_told(text: str, tmp_path: Path) -> None:
    (tmp_path / SUMMARY).write_text(text, encoding='utf-8')
    with pytest.raises(ValueError, match=r"manifest\.json' is damaged .*convert again"):
        read_summary(tmp_path)


def test_folders_of_frames_are_hashed_as_sha256sum_does(tmp_path: Path) -> None:
    from videomac.datasets.preparation.video_frames import folder_digest

    if shutil.which('sha256sum') is None:
        pytest.skip('there is no sha256sum to compare with')
    make_folder(tmp_path, {'00000.jpg': b'a', '00001.jpg': b'bc', 'Z.jpg': b''})
    line = subprocess.run(
        'LC_ALL=C; sha256sum * | sha256sum',
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert folder_digest(tmp_path) == (3, 3, line.split()[0])


def test_entries_that_lie_as_written_are_no_offence(tmp_path: Path) -> None:
    convert(tmp_path, make_zip(tmp_path.parent / f'{tmp_path.name}.zip', CONTENT))
    entries = read_entries(tmp_path)
    assert len(entries) == 21
    for entry in entries.values():
        assert entry_offence(entry, tmp_path, content=True) is None


def run(*argv: object) -> None:
    words = [str(word) for word in argv]
    run_command(Toy(), make_parser(Toy(), None), words)


def test_the_command_converts_and_checks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_zip(tmp_path / 'x.zip', CONTENT)
    run(source, '--out', tmp_path / 'out', '--processes', 2)
    run('--check', '--out', tmp_path / 'out', '--content')
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith('Toy: 20 files belong')
    assert lines[1] == lines[2]
    assert '20 frames; 21 entries' in lines[1]


def test_incomplete_results_fail_unless_they_are_meant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    half = dict(list(CONTENT.items())[:8])
    source = make_zip(tmp_path / 'x.zip', half)
    run(source, '--out', tmp_path / 'out', '--partial')
    with pytest.raises(SystemExit, match='12 problems'):
        run(source, '--out', tmp_path / 'out')


@pytest.mark.parametrize(
    ('argv', 'words'),
    [
        ((), 'give either SRC'),
        (('--check', 'x.zip'), 'give either SRC'),
        (('x.zip', '--processes', '0'), '1 or more, got 0'),
    ],
)
def test_wrong_arguments(
    argv: Sequence[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*argv)
    assert caught.value.code == 2
    assert words in capsys.readouterr().err


def test_an_absent_tree_is_told(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match='no such folder'):
        run('--check', '--out', tmp_path / 'nothing')
