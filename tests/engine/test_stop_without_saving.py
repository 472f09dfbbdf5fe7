"""A run that is asked to stop and cannot save says so, and does not exit as if it had."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import Any

import pytest
from mmengine.hooks import Hook
from mmengine.logging import MMLogger

from tests.engine.resuming import final_state, nested_equal, train
from tests.engine.test_preemption import changes
from videomac.engine import Preempted, PreemptionHook, checkpoint_files
from videomac.engine.checkpoint_files import CheckpointError, newest_intact

SEED = dict(seed=1)


class Disk:
    """Refuses some of the writes of checkpoints; sleeping takes no time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = 0
        self.slept = 0.0
        self._write = checkpoint_files.write_durably
        monkeypatch.setattr(checkpoint_files, 'write_durably', self._put)
        monkeypatch.setattr(time, 'monotonic', lambda: self.slept)
        monkeypatch.setattr(time, 'sleep', self._sleep)

    def _put(self, path: str | Path, data: bytes) -> None:
        if self.full and str(path).endswith('.pth'):
            self.full -= 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        self._write(path, data)

    def _sleep(self, seconds: float) -> None:
        self.slept += seconds


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """A disk that is full when it is told to be."""
    return Disk(monkeypatch)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The warnings of the runs."""
    messages: list[str] = []

    def keep(self: Any, message: str, *args: Any, **kwargs: Any) -> None:
        messages.append(message)

    monkeypatch.setattr(MMLogger, 'warning', keep, raising=False)
    return messages


def stopping(folder: Path, at: int, by_epoch: bool = False) -> dict[str, Any]:
    """Config of a run that is asked to stop in an iteration."""
    return changes(folder, by_epoch, dict(at=at, name='SIGTERM')) | dict(randomness=SEED)


@pytest.mark.parametrize('by_epoch', [True, False])
def test_nothing_was_saved_before(
    tmp_path: Path, disk: Disk, said: list[str], by_epoch: bool
) -> None:
    """An error: a scheduler that starts the run again would do so for ever."""
    disk.full = 100
    with pytest.raises(CheckpointError, match=r'NOT saved.*No space left') as error:
        train(tmp_path / 'run', **stopping(tmp_path, 2, by_epoch))
    assert "'iter_3.pth'" in str(error.value)
    assert 'no checkpoint' in str(error.value)
    assert disk.slept == 20  # of the time that schedulers give
    assert not any('goes on' in message for message in said)
    assert newest_intact(tmp_path / 'run') is None


def test_an_earlier_run_is_no_help(tmp_path: Path, disk: Disk) -> None:
    """Its checkpoint is in the folder, but is not what this run goes on from."""
    with pytest.raises(Preempted):
        train(tmp_path / 'run', **stopping(tmp_path, 1))
    disk.full = 100
    with pytest.raises(CheckpointError, match='no checkpoint'):
        train(tmp_path / 'run', **stopping(tmp_path, 2))


def test_an_older_checkpoint_is_gone_on_from(
    tmp_path: Path, disk: Disk, said: list[str]
) -> None:
    """One that the run saved itself, or was resumed from; both are named."""
    whole = train(tmp_path / 'whole', randomness=SEED, **changes(tmp_path, False))
    folder = tmp_path / 'run'
    cfg = stopping(tmp_path, 5)
    cfg['default_hooks']['checkpoint']['interval'] = 4
    first = folder / 'iter_4.pth'

    class FillHook(Hook):
        def before_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
            disk.full = 100 * (runner.iter >= 4)

    for resume in (False, True):
        with pytest.raises(Preempted) as raised:
            train(
                folder,
                resume=resume,
                prepare=lambda runner: runner.register_hook(FillHook()),
                **cfg,
            )
        assert raised.value.code == 75
        assert "NOT saved ('iter_6.pth'" in said[-1]
        assert said[-1].endswith(f"--resume goes on from '{first}'")
        assert newest_intact(folder) == str(first)
    disk.full = 0
    resumed = train(folder, resume=True, randomness=SEED, **changes(tmp_path, False))
    nested_equal(final_state(whole), final_state(resumed))


def test_room_that_is_made_in_time(tmp_path: Path, disk: Disk, said: list[str]) -> None:
    """The second attempt succeeds."""
    disk.full = 1
    with pytest.raises(Preempted) as raised:
        train(tmp_path / 'run', **stopping(tmp_path, 2))
    assert raised.value.code == 75
    assert disk.slept == 10
    assert said[-1] == 'stopped by SIGTERM; --resume goes on from here'
    assert str(newest_intact(tmp_path / 'run')).endswith('iter_3.pth')


def test_a_run_that_saves_nothing(tmp_path: Path, said: list[str]) -> None:
    """It has no CheckpointHook, and does not pretend."""
    cfg = stopping(tmp_path, 2)
    cfg['default_hooks']['checkpoint'] = None
    with pytest.raises(CheckpointError, match='there is no CheckpointHook'):
        train(tmp_path / 'run', **cfg)
    assert not any('goes on' in message for message in said)


def test_bad_patience() -> None:
    """The message names it."""
    with pytest.raises(ValueError, match='patience'):
        PreemptionHook(patience=-1)
