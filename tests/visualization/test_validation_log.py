"""Figures of validation keep apart from those of training, in one log as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from mmengine.runner import Runner

from tests.engine.saving import ScriptedMetric
from tests.engine.tiny import runner_config
from videomac.visualization.log_records import LogRecord, collect_scalars, join_records
from videomac.visualization.run_log import read_run

EPOCH = 4  # iterations
INTERVAL = 2  # iterations between two lines of training


def validating_config(work_dir: Path, scores: list[float], **loop: Any) -> dict[str, Any]:
    """A run of epochs of 4 iterations that logs every second one and validates."""
    cfg = runner_config(work_dir, 1) | dict(train_cfg=loop)
    cfg['train_dataloader']['dataset']['length'] = 2 * EPOCH
    cfg['val_dataloader'] = cfg['train_dataloader'] | dict(
        dataset=dict(type='NoiseFrames', length=1)
    )
    cfg['val_cfg'] = dict(type='ValLoop')
    cfg['val_evaluator'] = dict(type=ScriptedMetric.__name__, scores=scores)
    cfg['default_hooks']['checkpoint']['interval'] = 1
    cfg['default_hooks']['logger'] = dict(type='LoggerHook', interval=INTERVAL)
    backends = [dict(type='LocalVisBackend')]
    return cfg | dict(visualizer=dict(type='Visualizer', vis_backends=backends))


def train(cfg: dict[str, Any], name: str) -> list[dict[str, float]]:
    """Train, and read the lines of training, which are those with a loss."""
    cfg['experiment_name'] += name
    runner = Runner.from_cfg(cfg)
    runner.train()
    # Two starts of one second would share their folder.
    folder = Path(runner.log_dir).rename(Path(runner.work_dir, name))
    lines = (folder / 'vis_data' / 'scalars.json').read_text().splitlines()
    return [line for line in map(json.loads, lines) if 'loss' in line]


def test_validation_by_epochs(tmp_path: Path) -> None:
    """Resumed: no line of training is lost, the scores lie where they were taken."""
    loop = dict(type='EpochBasedTrainLoop', val_interval=1)
    lines = train(validating_config(tmp_path, [5, 6], max_epochs=2, **loop), '1')
    cfg = validating_config(tmp_path, [7], max_epochs=3, **loop)
    cfg |= dict(resume=True, load_from=str(tmp_path / 'epoch_2.pth'))
    lines += train(cfg, '2')
    scalars = read_run(tmp_path)
    for name in ('loss', 'time', 'data_time'):
        assert scalars[name] == [(line['step'], line[name]) for line in lines]
    assert [step for step, _ in scalars['loss']] == [2, 4, 6, 8, 10, 12]
    assert scalars['acc'] == [(4, 5), (8, 6), (12, 7)]
    assert [step for step, _ in scalars['val/time']] == [4, 8, 12]


def test_validation_by_iterations(tmp_path: Path) -> None:
    """Its steps are iterations, which stay as they are."""
    loop = dict(type='IterBasedTrainLoop', max_iters=6, val_interval=3)
    cfg = validating_config(tmp_path, [5, 6], **loop)
    cfg['default_hooks']['logger']['log_metric_by_epoch'] = False
    cfg['log_processor'] = dict(by_epoch=False)
    lines = train(cfg, '1')
    scalars = read_run(tmp_path)
    assert scalars['time'] == [(line['step'], line['time']) for line in lines]
    assert scalars['acc'] == [(3, 5), (6, 6)]


def write_start(begin: int, length: int, due: bool, value: float) -> list[LogRecord]:
    """What a start writes that resumes after an epoch, maybe with its validation."""
    records = [LogRecord(begin, {'acc': value, 'time': -1.0})] if due and begin else []
    for i in range(EPOCH * begin + INTERVAL, EPOCH * begin + length + 1, INTERVAL):
        records.append(LogRecord(i, {'loss': value, 'time': value, 'iter': i}))
        if i % EPOCH == 0:
            records.append(LogRecord(i // EPOCH, {'acc': value, 'time': -1.0}))
    return records


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(INTERVAL, 20), st.booleans()),
        min_size=1,
        max_size=4,
    )
)
def test_resumed_and_validated(starts: list[tuple[int, int, bool]]) -> None:
    """As tables of the true iterations have it."""
    losses: dict[int, float] = {}
    scores: dict[int, float] = {}
    reached, written = 0, []
    for value, (wanted, length, due) in enumerate(starts):
        begin = min(wanted, reached // EPOCH)  # where there can be a checkpoint
        reached = begin * EPOCH + length
        losses = {i: v for i, v in losses.items() if i <= begin * EPOCH}
        scores = {i: v for i, v in scores.items() if i <= begin * EPOCH}
        for i in range(begin * EPOCH + 1, reached + 1):
            losses |= {i: value} if i % INTERVAL == 0 else {}
            scores |= {i: value} if i % EPOCH == 0 else {}
        scores |= {begin * EPOCH: value} if due and begin else {}
        written.append(write_start(begin, length, due, value))
    scalars = collect_scalars(join_records(written))
    assert scalars['loss'] == scalars['time'] == sorted(losses.items())
    assert scalars.get('acc', []) == sorted(scores.items())
    assert [step for step, _ in scalars.get('val/time', [])] == sorted(scores)


def test_a_start_that_begins_with_a_validation() -> None:
    """Alone, its first score is at the first iteration that is known."""
    scalars = collect_scalars(write_start(5, 2 * EPOCH, True, 1.0))
    begin = 5 * EPOCH
    assert [i for i, _ in scalars['acc']] == [begin + INTERVAL, begin + 4, begin + 8]


def test_a_start_that_only_validates() -> None:
    """Validation outside training has step 0, and costs no curve."""
    alone = [LogRecord(0, {'acc': 3.0, 'time': -1.0})]
    scalars = collect_scalars(join_records([write_start(0, EPOCH, False, 1.0), alone]))
    assert scalars['time'] == [(2, 1.0), (4, 1.0)]
    assert scalars['acc'] == [(4, 1.0), (4, 3.0)]
