"""A disk that fills up costs lines of the log, never the training."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.hooks import LoggerHook
from mmengine.logging import MMLogger
from mmengine.visualization import Visualizer

from tests.engine.saving import make_runner
from videomac.engine import LogGuardHook

from .test_checkpoint_files import largest_file

FULL = Path('/dev/full')
LOCAL = dict(type='LocalVisBackend')
needs_full = pytest.mark.skipif(not FULL.exists(), reason='there is no /dev/full')


def logged_run(folder: Path, act: Any = None) -> Any:
    """A training that logs every iteration."""
    visualizer = dict(type='Visualizer', vis_backends=[LOCAL])
    runner = make_runner(folder, act=act, config=dict(visualizer=visualizer))
    runner.register_hook(LogGuardHook())
    runner.register_hook(LoggerHook(interval=1))
    return runner


def fake_runner(folder: Path, **parts: Any) -> Any:
    """What the hook looks at; remembers the warnings in ``said``."""
    said: list[str] = []
    logger = SimpleNamespace(handlers=[], warning=said.append)
    visualizer = SimpleNamespace(_vis_backends={})
    runner: Any = dict(logger=logger, visualizer=visualizer, iter=6, said=said)
    return SimpleNamespace(**(runner | parts))


@needs_full
def test_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Iterations 3 and 4 find a full disk; weights and other lines are as without."""

    def act(iteration: int) -> None:
        if iteration == 2:
            scalars = next((tmp_path / 'run').glob('*/vis_data/scalars.json'))
            scalars.rename(scalars.with_suffix('.kept'))
            scalars.symlink_to(FULL)
        if iteration == 4:
            kept = next((tmp_path / 'run').glob('*/vis_data/scalars.kept'))
            kept.rename(kept.with_suffix('.json'))

    runner = logged_run(tmp_path / 'run', act)
    said: list[str] = []
    monkeypatch.setattr(runner.logger, 'warning', said.append)
    runner.train()
    failed, works = (line for line in said if 'LocalVisBackend' in line)
    assert failed.startswith('iteration 3: ')
    assert 'No space left' in failed
    assert works.startswith('iteration 5: ')
    (scalars,) = (tmp_path / 'run').glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for line in scalars.read_text().splitlines()]
    assert [line['step'] for line in lines] == [1, 2, 5, 6]
    undisturbed = make_runner(tmp_path / 'other')
    undisturbed.train()
    for name, value in undisturbed.model.state_dict().items():
        assert torch.equal(runner.model.state_dict()[name], value), name


# Its thread dies with the error; so do threads of TensorBoard.
@pytest.mark.filterwarnings('ignore::pytest.PytestUnhandledThreadExceptionWarning')
def test_tensorboard_starts_anew(tmp_path: Path) -> None:
    """It would raise the first error for ever; while the disk is full no thread stays."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    backends = [dict(type='TensorboardVisBackend')]
    visualizer = Visualizer(vis_backends=backends, save_dir=str(tmp_path))
    runner = fake_runner(tmp_path, visualizer=visualizer)
    LogGuardHook().before_run(runner)
    visualizer.add_scalars({'loss': 1.0}, step=1)
    writer = visualizer.get_backend('TensorboardVisBackend').experiment
    writer.flush()
    with largest_file(0):
        visualizer.add_scalars({'loss': 2.0}, step=2)
        worker = writer.file_writer.event_writer._async_writer._worker
        worker.join(60)
        threads = threading.active_count()
        for step in (3, 4, 5):
            visualizer.add_scalars({'loss': 3.0}, step=step)
        visualizer.close()
        assert threading.active_count() == threads
    assert len(runner.said) == 1
    assert 'TensorboardVisBackend cannot be written' in runner.said[0]
    visualizer.add_scalars({'loss': 6.0}, step=6)
    assert 'can be written again' in runner.said[1]
    visualizer.close()
    events = EventAccumulator(str(next(tmp_path.glob('vis_data'))))
    events.Reload()
    found = [(event.step, event.value) for event in events.Scalars('loss')]
    assert found == [(1, 1.0), (6, 6.0)]


@needs_full
def test_log_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback for each line; mistakes in a line are shown as ever."""
    name = str(tmp_path)
    logger: Any = MMLogger.get_instance(name, log_file=str(tmp_path / 'run.log'))
    LogGuardHook().before_run(fake_runner(tmp_path, logger=logger))
    stream = logger.handlers[1].stream
    logger.info('one')
    full = logger.handlers[1].stream = FULL.open('w')
    for _ in range(3):
        logger.info('lost')
    logger.handlers[1].stream = stream
    logger.info('two')
    logger.info('%d', 'no number')
    with pytest.raises(OSError, match='No space'):
        full.close()
    out, err = capsys.readouterr()
    assert out.count('cannot be written') == out.count('again; lines') == 1
    assert out.count('lost') == 3
    assert 'No space' not in err
    assert 'TypeError' in err  # of each handler
    assert [line.split()[-1] for line in (tmp_path / 'run.log').open()][:2] == [
        'one',
        'two',
    ]


def test_other_errors_are_raised(tmp_path: Path) -> None:
    """They are mistakes, which no later line mends."""
    visualizer = Visualizer(vis_backends=[LOCAL], save_dir=str(tmp_path))
    LogGuardHook().before_run(fake_runner(tmp_path, visualizer=visualizer))
    with pytest.raises(AssertionError, match='same name'):
        visualizer.add_scalars({'loss': 1.0}, file_path='scalars.json')
