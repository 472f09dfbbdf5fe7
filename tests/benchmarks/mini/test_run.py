"""A row of the mini-benchmark from end to end, its resumption, and bad input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

from benchmarks.mini import run, tune
from benchmarks.mini.records import append_record, read_records
from benchmarks.mini.rows import ROWS, find_row, fingerprint, read_config
from benchmarks.mini.training import elapsed_seconds
from tests.benchmarks.mini.toy import SCORING, TRAINING, make_data

SCRIPT = Path(run.__file__)


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp('data'))


def words(data: Path, work_dir: Path, row: str, *more: str) -> list[str]:
    """A command line at toy scale."""
    return [
        *(row, '--data', str(data), '--work-dir', str(work_dir), *more),
        *('--cfg-options', *TRAINING, '--score-options', *SCORING),
    ]


def records(work_dir: Path) -> list[dict[str, Any]]:
    return read_records(work_dir / 'results.jsonl')


def test_a_row_is_trained_scored_noted_and_then_skipped(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = words(
        data, tmp_path, 'videomac', '--seeds', '0', '--steps', '4', '--points', '2'
    )
    assert run.main(command) == 0
    first, last = records(tmp_path)
    assert [first['step'], last['step']] == [2, 4]
    for record in (first, last):
        for name in ('J&F', 'J', 'F'):
            assert 0 <= record[name] <= 1
        assert record['J&F'] == pytest.approx((record['J'] + record['F']) / 2)
        # One object in the first video and two in the second: means over objects.
        one, two = (record['sequences'][name] for name in ('one', 'two'))
        assert record['J'] == pytest.approx((one['J'] + 2 * two['J']) / 3)
        assert record['images'] == 2 * 2 * record['step']
    assert 0 < first['seconds'] < last['seconds']
    assert last['multiply_adds'] == 2 * first['multiply_adds'] > 0
    capsys.readouterr()
    assert run.main(command) == 0
    assert 'done before' in capsys.readouterr().out
    assert len(records(tmp_path)) == 2
    # The same row with other settings does not get into the same mean.
    other = words(data, tmp_path, 'videomac', '--seeds', '0', '--steps', '5')
    assert run.main(other) == 1
    assert 'asked_steps' in capsys.readouterr().err
    # A checkpoint that was not kept cannot be scored later.
    command[command.index('--points') + 1] = '4'
    assert run.main(command) == 1
    assert 'no checkpoint of step 1: ' in capsys.readouterr().err


def test_seeds_of_the_random_row_differ_and_nothing_is_trained(
    data: Path, tmp_path: Path
) -> None:
    # Nor is anything timed, for which there would have to be training videos.
    only = tmp_path / 'only'
    only.mkdir()
    (only / 'davis2017').symlink_to(data / 'davis2017')
    more = ('--seeds', '0', '1', '--budget-minutes', '1')
    assert run.main(words(only, tmp_path, 'random', *more)) == 0
    zero, one = records(tmp_path)
    assert (zero['seed'], one['seed']) == (0, 1)
    assert zero['J&F'] != one['J&F']
    assert zero['images'] == zero['seconds'] == zero['multiply_adds'] == 0
    assert not list(tmp_path.rglob('*.pth'))


def weights(path: Path) -> dict[str, torch.Tensor]:
    state = torch.load(path, map_location='cpu', weights_only=False)['state_dict']
    return dict(state)


def test_a_killed_row_goes_on_and_ends_as_if_it_had_not_been(
    data: Path, tmp_path: Path
) -> None:
    killed, whole = tmp_path / 'killed', tmp_path / 'whole'
    more = ('--seeds', '0', '--steps', '12', '--points', '3')
    command = [sys.executable, str(SCRIPT), *words(data, killed, 'videomac', *more)]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    folder = killed / 'videomac' / 'seed0'
    limit = time.monotonic() + 300
    while not (folder / 'iter_4.pth').exists() and process.poll() is None:
        assert time.monotonic() < limit, 'no checkpoint'
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not records(killed)
    for work_dir in (killed, whole):
        assert run.main(words(data, work_dir, 'videomac', *more)) == 0
    ours, theirs = (
        weights(each / 'videomac' / 'seed0' / 'iter_12.pth') for each in (killed, whole)
    )
    assert all(torch.equal(ours[name], value) for name, value in theirs.items())
    assert [r['J&F'] for r in records(killed)] == [r['J&F'] for r in records(whole)]


def test_a_budget_becomes_a_number_of_steps(data: Path, tmp_path: Path) -> None:
    more = ('--seeds', '0', '--budget-minutes', '0.05')
    command = words(data, tmp_path, 'fcmae-ratio75', *more)
    status = run.main(command)
    plan = tmp_path / 'fcmae-ratio75' / 'plan.json'
    if status:  # too slow a machine for so small a budget, and it says so
        assert not plan.exists()
        pytest.skip('the machine is too busy for a budget of three seconds')
    found = json.loads(plan.read_text())
    assert found['steps'] == int(3 / found['trial_seconds_a_step'])
    (record,) = records(tmp_path)
    assert record['steps'] == found['steps']
    assert record['images'] == 2 * found['steps']  # single frames


def test_tuning_writes_the_search_down_and_is_not_repeated(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Only the training videos are there: the test videos are not looked at.
    only = tmp_path / 'only'
    (only / 'ytvos').mkdir(parents=True)
    (only / 'ytvos' / 'train').symlink_to(data / 'ytvos' / 'train')
    command = ['--data', str(only), '--work-dir', str(tmp_path / 'tune'), '--steps', '4']
    command += ['--lr', '1e-3', '1e-2', '--batch', '2', '--warmup', '0.5']
    command += ['--stages', '2', '1,3', '--cfg-options']
    options = [each for each in TRAINING if 'batch' not in each]
    command += options
    command += ['--score-options', *SCORING]
    assert tune.main(command) == 0
    search = json.loads((tmp_path / 'tune' / 'search.json').read_text())
    assert search['validation_videos'] == ['cat']
    assert {
        tuple(r['sequences']) for each in search['results'] for r in each['runs']
    } == {('cat',)}
    found = [each['mean J&F'] for each in search['results']]
    assert found == sorted(found, reverse=True)
    # Two rates, each with stage 2, and with stages 1 and 3 with and without a norm.
    assert len(found) == 6
    stages = [run['stage'] for each in search['results'] for run in each['runs']]
    assert sorted(stages) == ['1,3'] * 4 + ['2'] * 2
    backbone = next((tmp_path / 'tune').glob('*/seed0/stage1,3_norm0/propagation.py'))
    assert Config.fromfile(backbone).model.backbone.out_stage == [1, 3]
    assert (tmp_path / 'tune' / 'search.md').read_text().count('\n| ') == 8
    before = (tmp_path / 'tune' / 'trials.jsonl').read_bytes()
    assert tune.main(command) == 0
    assert (tmp_path / 'tune' / 'trials.jsonl').read_bytes() == before
    # Another search does not get into the same table.
    options += ['model.masking.symmetric=False']
    for change in (['--steps', '5'], ['--stages', '3', '--cfg-options', *options]):
        capsys.readouterr()
        assert tune.main([*command, *change]) == 1
        assert 'results with other settings' in capsys.readouterr().err
    assert (tmp_path / 'tune' / 'trials.jsonl').read_bytes() == before


@pytest.mark.parametrize(
    ('more', 'message'),
    [
        (['nothing'], "no row 'nothing'"),
        (['videomac', '--points', '0'], '--points'),
        (['videomac', '--steps', '1'], 'too few'),
        (['videomac', '--budget-minutes', '-1'], 'positive'),
        (['videomac', '--data', 'nowhere'], 'ytvos/train'),
    ],
)
def test_a_bad_command_line_is_one_line(
    more: list[str],
    message: str,
    tmp_path: Path,
    data: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ['--data', str(data), '--work-dir', str(tmp_path), *more]
    assert run.main(command) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count('\n') == 1


@pytest.mark.parametrize(
    ('more', 'message'),
    [
        (['random'], 'not trained'),
        (['--trials', '99'], 'the grid has 18 points'),
        (['--warmup', '1.5'], 'between 0 and 1'),
        (['--lr', '0'], 'positive'),
        (['--stages', '4'], 'stages 0 to 3'),
        (['--stages', '1', '2,9'], '--stages 2,9: the encoder has stages 0 to 3'),
        (['--data', 'nowhere'], 'no folder'),
    ],
)
def test_a_bad_search_is_one_line(
    more: list[str],
    message: str,
    tmp_path: Path,
    data: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ['--data', str(data), '--work-dir', str(tmp_path), *more]
    assert tune.main(command) == 1
    assert message in capsys.readouterr().err


def test_a_torn_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / 'results.jsonl'
    append_record(path, dict(row='a', seed=0, step=1))
    with path.open('a') as file:
        file.write('{"row": "a", "se')
    with pytest.raises(ValueError, match='line 2'):
        read_records(path)


def test_time_of_steps_done_twice_counts_once(tmp_path: Path) -> None:
    logs = {'1': [(10, 0.5), (20, 0.7)], '2': [(20, 0.1), (30, 0.2)]}
    for name, lines in logs.items():
        path = tmp_path / name / 'vis_data' / 'scalars.json'
        path.parent.mkdir(parents=True)
        path.write_text(
            ''.join(json.dumps(dict(step=s, time=t)) + '\n' for s, t in lines)
        )
    elapsed = elapsed_seconds(tmp_path)
    assert elapsed == pytest.approx({10: 5.0, 20: 6.0, 30: 8.0})


def test_the_fingerprint_knows_what_is_trained_and_not_where_or_how_often() -> None:
    row = find_row('videomac')
    prints = {
        fingerprint(read_config(row, Path(root), seed))
        for root, seed in (('here', 0), ('there', 1))
    }
    changed = read_config(row, Path('here'), 0, options={'model.masking.ratio': 0.8})
    assert len(prints) == 1
    assert fingerprint(changed) not in prints


def test_rows_have_names_of_their_own_and_different_trainings() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    trained = [row for row in ROWS if row.trained]
    prints = {fingerprint(read_config(row, Path('x'), 0)) for row in trained}
    assert len(prints) == len(trained)
    assert {row.encoder for row in trained} <= {r.encoder for r in ROWS if not r.trained}
