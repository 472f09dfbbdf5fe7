"""The arithmetic of the table against numpy, and its layout."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.mini import table
from benchmarks.mini.records import append_record
from benchmarks.mini.rows import ROWS, find_row

shares = st.lists(st.floats(0, 1), min_size=2, max_size=6)


def record(
    row: str, seed: int, score: float, step: int = 8, **more: Any
) -> dict[str, Any]:
    return {
        'row': row,
        'seed': seed,
        'step': step,
        'steps': 8,
        'J&F': score,
        'J': score,
        'F': score,
        'seconds': 60.0 * step,
        'images': 64 * step,
        'multiply_adds': 10**12,
        'sequences': {'dog': {'J&F': score}, 'camel': {'J&F': score / 2}},
        'machine': 'm',
        'config': 'c',
    } | more


@given(shares)
def test_mean_and_spread(values: list[float]) -> None:
    mean, deviation = table.spread(values)
    assert mean == pytest.approx(np.mean(values), abs=1e-12)
    assert deviation == pytest.approx(np.std(values, ddof=1), abs=1e-9)


def test_one_seed_has_no_spread() -> None:
    assert table.spread([0.5]) == (0.5, None)
    assert table.percent([0.5]) == '50.0'
    assert table.percent([0.5, 0.6]) == '55.0 ± 7.1'


def test_a_row_is_compared_with_the_random_weights_of_its_encoder() -> None:
    records = [record('random', s, v, 0, steps=0) for s, v in enumerate((0.4, 0.6))]
    records += [record('random-mae', 0, 0.1, 0, steps=0)]
    records += [record('videomac', s, v) for s, v in enumerate((0.7, 0.8, 0.9))]
    line = dict(zip(table.HEAD, table.cells(records, find_row('videomac')), strict=True))
    assert line['J&F'] == '80.0 ± 10.0'
    assert line['over random'] == '+30.0'
    assert (line['seeds'], line['minutes'], line['steps']) == ('3', '8.0', '8')


def test_curves_use_every_checkpoint_and_the_table_the_last() -> None:
    records = [
        record('videomac', seed, value, step)
        for seed, values in enumerate(((0.5, 0.7), (0.6, 0.9)))
        for step, value in zip((4, 8), values, strict=True)
    ]
    assert table.cells(records, find_row('videomac'))[3] == '80.0 ± 14.1'
    lines = table.curves(records, find_row('videomac'))
    assert np.allclose(lines, [[(4, 50), (8, 70)], [(4, 60), (8, 90)]])


def test_curves_begin_with_random_weights_of_their_seed() -> None:
    row = find_row('videomac')
    records = [record('videomac', seed, 0.7) for seed in (0, 2)]
    records += [record('random', s, v, 0, steps=0) for s, v in enumerate((0.4, 0.5))]
    lines = table.curves(records, row)
    assert np.allclose(lines, [[(0, 40), (8, 70)], [(0, 45), (8, 70)]])


def test_a_training_that_is_not_at_its_end_is_not_drawn() -> None:
    records = [record('videomac', 0, 0.7, 4), record('videomac', 1, 0.8)]
    assert np.allclose(table.curves(records, find_row('videomac')), [[(8, 80)]])


def test_videos_are_columns_of_their_own() -> None:
    records = [record('videomac', 0, 0.6), record('videomac', 1, 0.8)]
    head, line, empty = table.lay_out(
        records, [find_row('videomac'), find_row('gap5')], with_videos=True
    )
    assert head == [*table.HEAD[:-1], 'camel', 'dog', 'machine']
    assert line[-3:] == ['35.0 ± 7.1', '70.0 ± 14.1', 'm']
    assert len(empty) == len(head)


def test_what_all_rows_share_is_said_once() -> None:
    rows = [find_row('videomac'), find_row('gap5'), find_row('gap10')]
    records = [record('videomac', 0, 0.6), record('gap5', 0, 0.6)]
    page = table.page(table.lay_out(records, rows, with_videos=False))
    assert page.endswith('|\n\nEncoder: ConvNeXt V2-atto. Machine: m.\n')
    assert 'machine' not in page
    assert 'encoder' not in page
    records[1]['machine'] = 'other'
    page = table.page(table.lay_out(records, rows, with_videos=False))
    first, _, here, there, empty = page.splitlines()[:5]
    assert first.endswith('| machine |')
    assert here.endswith('| m       |')
    assert there.endswith('| other   |')
    assert empty.endswith('|         |')


def test_several_files_are_read_as_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / 'random.jsonl', tmp_path / 'trained.jsonl']
    append_record(files[0], record('random', 0, 0.5, 0, steps=0))
    append_record(files[1], record('videomac', 0, 0.8))
    assert table.main([*map(str, files), '--rows', 'random', 'videomac']) == 0
    assert '| +30.0 ' in capsys.readouterr().out


def test_different_trainings_are_not_averaged() -> None:
    records = [record('videomac', 0, 0.5), record('videomac', 1, 0.6, config='other')]
    with pytest.raises(ValueError, match='2 different configs'):
        table.cells(records, find_row('videomac'))


def test_files_and_rows_not_yet_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / 'results.jsonl'
    for each in (record('videomac', 0, 0.7, 4), record('videomac', 0, 0.8)):
        append_record(results, each)
    out, curves = tmp_path / 'table.csv', tmp_path / 'curves.svg'
    command = [str(results), '--csv', str(out), '--plot', str(curves)]
    assert table.main(command) == 0
    printed = capsys.readouterr().out
    assert printed.count(table.NOT_RUN) == len(ROWS) - 1
    with out.open(newline='') as file:
        lines = list(csv.reader(file))
    assert lines[0] == list(table.HEAD)
    assert len(lines) == printed.count('|\n') - 1 == len(ROWS) + 1
    assert 'minutes of training' in curves.read_text()


def test_bad_input_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert table.main([str(tmp_path / 'none.jsonl')]) == 1
    assert 'no file' in capsys.readouterr().err
    results = tmp_path / 'results.jsonl'
    append_record(results, record('random', 0, 0.5, 0, steps=0))
    assert table.main([str(results), '--rows', 'nothing']) == 1
    assert 'nothing' in capsys.readouterr().err
    assert table.main([str(results), '--plot', str(tmp_path / 'c.png')]) == 1
    assert 'no curve' in capsys.readouterr().err
