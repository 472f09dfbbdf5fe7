"""Numbers of a report are those of the files, each file counts once."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report.test_report import make_run, rows
from videomac.report import page, read_evaluations, write_report


def write_table(folder: Path, table: dict[str, object]) -> Path:
    """Results as ``tools/test.py`` leaves them."""
    folder.mkdir(parents=True)
    (folder / 'davis.json').write_text(json.dumps({'global': table}))
    return folder


@given(st.lists(st.floats(1e-3, 1e3), min_size=1))
def test_median(values: list[float]) -> None:
    expected = f'{statistics.median(values):.4g}'
    assert page._number([*values, float('nan')], 'median') == expected


def test_seconds_an_iteration_are_those_of_training(tmp_path: Path) -> None:
    """A validation after each line has its own time, and epochs as steps."""
    run = make_run(tmp_path / 'run')
    log = run / '20260101_000000' / 'vis_data' / 'scalars.json'
    lines = []
    for epoch in range(1, 21):
        training = dict(loss=1.0, time=0.5, iter=10 * epoch, step=10 * epoch)
        lines += [training, {'accuracy/top1': 9.0, 'time': 0.05, 'step': epoch}]
    log.write_text('\n'.join(map(json.dumps, lines)))
    text = write_report([run], tmp_path / 'r.html').read_text()
    assert rows(text)['Seconds an iteration, median'] == ['0.5']
    assert rows(text)['Last logged iteration'] == ['200']
    assert '<b>Seconds an iteration of validation</b>' in text


@pytest.mark.parametrize(
    'content',
    [
        200000 * '[' + 200000 * ']',
        '{"global": {"b": 1' + 400 * '0' + '}}',
        '{"global": {"b": 1' + 9000 * '0' + '}}',
        '{"global"',
        '[1]',
    ],
)
def test_broken_tables_do_not_cost_the_report(tmp_path: Path, content: str) -> None:
    run = make_run(tmp_path / 'run')
    write_table(run / 'ev', {'J-Mean': 0.25})
    (run / 'broken.json').write_text(content)
    (run / 'lost.json').symlink_to(tmp_path / 'none.json')
    write_report([run], tmp_path / 'r.html')
    (found,) = read_evaluations(run)
    assert found.scores == {'J-Mean': 0.25}


def test_truth_is_no_score(tmp_path: Path) -> None:
    write_table(tmp_path / 'ev', {'J-Mean': 1, 'flip': True, 'resumed': False})
    (found,) = read_evaluations(tmp_path)
    assert found.scores == {'J-Mean': 1.0}
    write_table(tmp_path / 'none', {'flip': True})
    assert read_evaluations(tmp_path / 'none') == []


def test_an_evaluation_below_a_run_counts_once(tmp_path: Path) -> None:
    """It is shown as the folder that was named, the others as those of the run."""
    run = make_run(tmp_path / 'run')
    named = write_table(run / 'named', {'J-Mean': 0.25})
    write_table(run / 'other', {'F-Mean': 0.5})
    for evaluations in ([], [named], [named, run, run / 'other' / '..' / 'named']):
        path = write_report([run], tmp_path / 'r.html', evaluations=evaluations)
        text = path.read_text()
        assert text.count('J-Mean') == text.count('F-Mean') == 1
