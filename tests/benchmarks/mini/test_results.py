"""What docs/en/evidence.md says was measured is what the records say."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from benchmarks.mini import table
from benchmarks.mini.records import read_records
from benchmarks.mini.rows import find_row

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / 'docs' / 'en' / 'evidence.md'
RECORDS = sorted((ROOT / 'benchmarks' / 'mini' / 'results').glob('*.jsonl'))
PROGRAM = 'python benchmarks/mini/table.py '
SHOWN = f'{PROGRAM}benchmarks/mini/results/'
COMMANDS = [line for line in PAGE.read_text().splitlines() if line.startswith(SHOWN)]


def test_all_records_are_shown() -> None:
    words = [word for command in COMMANDS for word in shlex.split(command)]
    shown = {Path(word).name for word in words if word.endswith('.jsonl')}
    assert shown == {path.name for path in RECORDS}


@pytest.mark.parametrize('command', COMMANDS)
def test_a_table_of_the_page_is_what_its_command_prints(
    command: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    words = shlex.split(command.removeprefix(PROGRAM))
    if '--plot' in words:
        words[words.index('--plot') + 1] = str(tmp_path / 'curves.svg')
    assert table.main(words) == 0
    assert capsys.readouterr().out in PAGE.read_text()


@pytest.mark.parametrize('path', RECORDS, ids=lambda path: str(path.stem))
def test_records_agree_with_themselves(path: Path) -> None:
    records = read_records(path)
    keys = {(r['row'], r['seed'], r['step']) for r in records}
    assert len(keys) == len(records) > 0
    for record in records:
        row = find_row(record['row'])
        assert row.trained == (record['step'] > 0)
        assert record['encoder'] == row.encoder
        assert record['J&F'] == pytest.approx((record['J'] + record['F']) / 2)
        assert 0 <= record['J'] <= 1
        assert 0 <= record['F'] <= 1
        assert not record['commit'].endswith('+'), 'measured with changed files'
