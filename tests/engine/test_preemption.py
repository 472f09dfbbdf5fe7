"""A signal saves at the end of the iteration, and the run goes on from there."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import EMAHook, Hook
from mmengine.runner import Runner
from mmengine.runner.checkpoint import find_latest_checkpoint
from mmengine.visualization import Visualizer

from tests.engine.resuming import batches, final_state, nested_equal, settings, train
from videomac.engine import Preempted, PreemptionHook
from videomac.registry import HOOKS
from videomac.utils.signals import release_signals, shielding


@HOOKS.register_module(force=True)
class SignalHook(Hook):
    """Sends this process a signal in the middle of an iteration."""

    def __init__(self, at: int, name: str, where: str = 'before_train_iter') -> None:
        self.at = at
        self.number = signal.Signals[name]
        self.where = where

    def _send(self, runner: Any, where: str) -> None:
        if (runner.iter, where) == (self.at, self.where):
            os.kill(os.getpid(), self.number)

    def before_train(self, runner: Any) -> None:
        """Send it before there is anything to save."""
        self._send(runner, 'before_train')

    def before_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        """Send it while training."""
        self._send(runner, 'before_train_iter')

    def before_val_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        """Send it while validating."""
        self._send(runner, 'before_val_iter')

    def before_test_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        """Send it while testing."""
        self._send(runner, 'before_test_iter')


def changes(tmp_path: Path, by_epoch: bool, *sent: dict[str, Any]) -> dict[str, Any]:
    """Listen to signals, and send some."""
    cfg = settings(tmp_path)
    hooks = cfg['default_hooks']
    hooks['checkpoint'] = dict(
        type='VerifiedCheckpointHook', interval=100, by_epoch=by_epoch
    )
    hooks['preemption'] = dict(type='PreemptionHook')
    custom = cfg['custom_hooks'] + [dict(type='SignalHook', **each) for each in sent]
    return dict(default_hooks=hooks, custom_hooks=custom)


@pytest.mark.parametrize('name', ['SIGTERM', 'SIGUSR1'])
@pytest.mark.parametrize('by_epoch', [True, False])
def test_stop_and_resume(tmp_path: Path, name: str, by_epoch: bool) -> None:
    """Nothing is lost, nothing else is written, and the handlers are put back."""
    before = signal.getsignal(signal.Signals[name])
    plain = changes(tmp_path, by_epoch)
    whole = train(tmp_path / 'whole', randomness=dict(seed=1), **plain)
    assert signal.getsignal(signal.Signals[name]) == before

    work_dir = tmp_path / 'parts'
    sent = changes(tmp_path, by_epoch, dict(at=6, name=name))
    stopped: list[Runner] = []
    with pytest.raises(Preempted) as raised:
        train(work_dir, prepare=stopped.append, randomness=dict(seed=1), **sent)
    assert raised.value.code == 75
    assert [path.name for path in work_dir.glob('*.pth')] == ['iter_7.pth']
    assert find_latest_checkpoint(str(work_dir)).endswith('iter_7.pth')
    resumed = train(work_dir, resume=True, **plain)
    nested_equal(final_state(whole), final_state(resumed))
    nested_equal(batches(whole), batches(stopped[0]) + batches(resumed))


def test_curves_that_wait_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Backends of curves are closed, the last thing before the process ends."""
    closed: list[str] = []

    def close(visualizer: Visualizer) -> None:
        closed.extend(path.name for path in (tmp_path / 'run').glob('*.pth'))

    monkeypatch.setattr(Visualizer, 'close', close)
    sent = changes(tmp_path, False, dict(at=6, name='SIGTERM'))
    with pytest.raises(Preempted):
        train(tmp_path / 'run', **sent)
    assert closed == ['iter_7.pth']


def test_only_one_such_file_is_kept(tmp_path: Path) -> None:
    """Where checkpoints are by epoch, the file of the last stop replaces the others."""
    for at in (3, 6, 11):
        sent = changes(tmp_path, True, dict(at=at, name='SIGTERM'))
        with pytest.raises(Preempted):
            train(tmp_path / 'run', resume=True, **sent)
    names = [path.name for path in (tmp_path / 'run').glob('*.pth')]
    assert names == ['iter_12.pth']


def averages(runner: Runner) -> dict[str, torch.Tensor]:
    """The averaged weights of a run, if it has any."""
    hooks = [hook for hook in runner.hooks if isinstance(hook, EMAHook)]
    return hooks[0].ema_model.state_dict() if hooks else {}


def validation(folder: Path) -> dict[str, Any]:
    """Validate after each epoch, on 5 batches."""
    data = settings(folder)['train_dataloader']
    data['sampler'] = dict(type='DefaultSampler', shuffle=False)
    results = dict(type='mmengine.DumpResults', out_file_path=str(folder / 'all.pkl'))
    return dict(val_dataloader=data, val_cfg=dict(), val_evaluator=results)


@pytest.mark.parametrize(
    'average',
    [
        None,
        dict(type='mmengine.EMAHook'),
        dict(type='mmpretrain.EMAHook', update_buffers=True, priority='ABOVE_NORMAL'),
        dict(type='mmpretrain.EMAHook', evaluate_on_ema=False, evaluate_on_origin=True),
        dict(type='mmpretrain.EMAHook', evaluate_on_origin=True),
    ],
    ids=['plain', 'mmengine', 'buffers', 'origin', 'both'],
)
def test_stop_in_a_validation(tmp_path: Path, average: dict[str, Any] | None) -> None:
    """The resumed run repeats the validation, and is the same otherwise.

    Whether the validation is one of averaged weights or not.
    """
    averaging = [] if average is None else [dict(momentum=0.1, **average)]

    def run(name: str, *sent: dict[str, Any], resume: bool = False) -> Runner:
        cfg = changes(tmp_path, True, *sent) | validation(tmp_path)
        cfg['custom_hooks'] += averaging
        return train(tmp_path / name, resume=resume, randomness=dict(seed=1), **cfg)

    whole = run('whole')
    with pytest.raises(Preempted):
        run('parts', dict(at=10, name='SIGTERM', where='before_val_iter'))
    saved = torch.load(tmp_path / 'parts' / 'iter_10.pth', weights_only=True)
    assert saved['meta']['epoch'] == 2
    assert saved['exact_resume']['validation_due']
    resumed = run('parts', resume=True)
    nested_equal(final_state(whole), final_state(resumed))
    nested_equal(averages(whole), averages(resumed))


def test_stop_in_the_second_pass_of_a_validation(tmp_path: Path) -> None:
    """It waits for the next iteration; until then the metrics would be recorded twice."""

    class LateHook(SignalHook):
        seen = 0

        def before_val_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
            self.seen += runner.iter == self.at
            if self.seen == 7:  # of 5 and 5
                super().before_val_iter(runner)

    cfg = changes(tmp_path, True) | validation(tmp_path)
    both = dict(type='mmpretrain.EMAHook', momentum=0.1, evaluate_on_origin=True)
    cfg['custom_hooks'].append(both)
    whole = train(tmp_path / 'whole', randomness=dict(seed=1), **cfg)
    late = LateHook(at=10, name='SIGTERM', where='before_val_iter')
    with pytest.raises(Preempted):
        train(
            tmp_path / 'parts',
            prepare=lambda runner: runner.register_hook(late),
            randomness=dict(seed=1),
            **cfg,
        )
    assert [path.name for path in (tmp_path / 'parts').glob('*.pth')] == ['iter_11.pth']
    resumed = train(tmp_path / 'parts', resume=True, randomness=dict(seed=1), **cfg)
    nested_equal(final_state(whole), final_state(resumed))
    nested_equal(averages(whole), averages(resumed))


@pytest.fixture(params=['SIGTERM', 'SIGUSR1'])
def usual(request: pytest.FixtureRequest) -> Iterator[tuple[str, list[int]]]:
    """A signal, and how often it did what it usually does, which is not to end pytest."""
    received: list[int] = []
    number = signal.Signals[request.param]
    old = signal.signal(number, lambda got, frame: received.append(got))
    yield request.param, received
    signal.signal(number, old)


@pytest.mark.parametrize('trained', [False, True])
def test_a_test_ends_as_usual(
    tmp_path: Path, usual: tuple[str, list[int]], trained: bool
) -> None:
    """Nothing is saved there, so the hook leaves the signal alone."""
    name, received = usual
    iterations = 15 if trained else 0
    sent = dict(at=iterations, name=name, where='before_test_iter')
    data = validation(tmp_path)
    cfg = settings(
        tmp_path / 'run',
        **changes(tmp_path, True, sent),
        experiment_name=f'{tmp_path.name}-{name}',
        **{key.replace('val', 'test', 1): value for key, value in data.items()},
    )
    if not trained:
        for key in ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler'):
            cfg[key] = None
    runner = Runner.from_cfg(cfg)
    if trained:
        runner.train()
    runner.test()
    assert received == [signal.Signals[name]] * 5


def test_signal_before_the_first_iteration(
    tmp_path: Path, usual: tuple[str, list[int]]
) -> None:
    """It counts after it."""
    name, received = usual
    sent = changes(tmp_path, True, dict(at=0, name=name, where='before_train'))
    with pytest.raises(Preempted):
        train(tmp_path / 'run', **sent)
    assert [path.name for path in (tmp_path / 'run').glob('*.pth')] == ['iter_1.pth']
    assert not received


def test_note_instead_of_a_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For torchrun, which would start the run again."""
    note = tmp_path / 'note'
    monkeypatch.setenv('VIDEOMAC_EXIT_NOTE', str(note))
    sent = changes(tmp_path, True, dict(at=2, name='SIGTERM'))
    with pytest.raises(Preempted) as raised:
        train(tmp_path / 'run', **sent)
    assert raised.value.code == 0
    assert note.read_text() == '75\n'


def test_unknown_signal() -> None:
    """The message names it."""
    with pytest.raises(ValueError, match=r"no signals \['SIGNONE'\]"):
        PreemptionHook(signals=['SIGTERM', 'SIGNONE'])


def test_workers_outlive_the_signal() -> None:
    """What starts in the shield does not receive what schedulers send to all."""
    with shielding():
        worker = multiprocessing.get_context('fork').Process(
            target=time.sleep, args=(60,)
        )
        worker.start()
    try:
        for name in (signal.SIGTERM, signal.SIGUSR1):
            os.kill(worker.pid or 0, name)
        worker.join(timeout=0.5)
        assert worker.is_alive()
    finally:
        worker.kill()
        worker.join()
    # This process receives it again.
    received: list[int] = []
    old = signal.signal(signal.SIGUSR1, lambda number, frame: received.append(number))
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
    finally:
        release_signals()
        signal.signal(signal.SIGUSR1, old)
    assert received == [signal.SIGUSR1]


LEFTOVER = """
import sys, time
from torch.utils.data import DataLoader
from videomac.utils.signals import shielding

class Stuck(list):
    def __getitem__(self, index):
        time.sleep(600)

loader = DataLoader(Stuck(range(4)), num_workers=2, persistent_workers=True)
with shielding():
    iterator = iter(loader)
time.sleep(0.5)
sys.modules['kept'] = iterator  # as the frames of an exception keep it
sys.exit(3)
"""


def test_stuck_workers_do_not_keep_the_process(tmp_path: Path) -> None:
    """They cannot be terminated, so they are killed when the process ends."""
    script = tmp_path / 'leftover.py'
    script.write_text(LEFTOVER)
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, 'PYTHONPATH': root},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert done.stderr == ''
