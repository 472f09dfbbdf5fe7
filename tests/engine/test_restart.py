"""Runs start where they should, however they were started."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

from videomac.engine.checkpoint_files import CheckpointError
from videomac.engine.restart import choose_start, is_first_process, was_restarted


def save(work_dir: Path, name: str, age: float = 0.0) -> str:
    """Write a checkpoint that can be resumed from, some seconds ago."""
    work_dir.mkdir(exist_ok=True)
    path = work_dir / name
    meta = {'time': '20260101_000000', 'iter': 1, 'epoch': 1}
    torch.save({'meta': meta, 'optimizer': {}, 'state_dict': {}}, path)
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime - age))
    (work_dir / 'last_checkpoint').write_text(str(path))
    return str(path)


def start(work_dir: Path, env: dict[str, str] | None = None, newest: bool = False) -> Any:
    """Return what a run is told about resuming; its config has weights to start with."""
    cfg = Config(dict(work_dir=str(work_dir), resume=False, load_from='weights.pth'))
    choose_start(cfg, newest=newest, env=env or {})
    return cfg.resume, cfg.load_from


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the user is told."""
    messages: list[str] = []

    def keep(message: str, level: int = logging.INFO) -> None:
        messages.append(message)

    monkeypatch.setattr('videomac.engine.restart.print_log', keep)
    return messages


def test_nothing_to_resume(tmp_path: Path, said: list[str]) -> None:
    """The run starts as its config says, and the user is told."""
    assert start(tmp_path / 'new', newest=True) == (False, 'weights.pth')
    assert said == [f"nothing to resume in '{tmp_path}/new': starting from the beginning"]


def test_newest(tmp_path: Path, said: list[str]) -> None:
    """With --resume from it; without, from the beginning."""
    path = save(tmp_path, 'epoch_1.pth')
    assert start(tmp_path, newest=True) == (True, path)
    assert said == [f"resuming from '{path}'"]
    assert start(tmp_path) == (False, 'weights.pth')


@pytest.mark.parametrize('name', ['TORCHELASTIC_RESTART_COUNT', 'SLURM_RESTART_COUNT'])
def test_started_again(tmp_path: Path, name: str, said: list[str]) -> None:
    """From its own newest checkpoint, not from one of an earlier run."""
    old = save(tmp_path, 'epoch_9.pth', age=100)
    first = start(tmp_path, {name: '0'})
    assert start(tmp_path, {name: '1'}) == first == (False, 'weights.pth')
    assert 'saved no checkpoint yet' in said[-1]
    assert start(tmp_path, {name: '1'}, newest=True) == (True, old)
    new = save(tmp_path, 'epoch_1.pth', age=-1)
    assert start(tmp_path, {name: '2'}) == (True, new)
    assert f"going on from '{new}'" in said[-1]


def test_only_the_first_process_marks_the_start(tmp_path: Path) -> None:
    """The others may come later, when there is a checkpoint already."""
    start(tmp_path, {'RANK': '1'})
    assert not (tmp_path / 'started').exists()
    start(tmp_path, {'RANK': '0'})
    assert (tmp_path / 'started').exists()


def test_first_start_that_was_not_seen(tmp_path: Path) -> None:
    """The machine failed before Python ran: the run began with a restart."""
    save(tmp_path, 'epoch_9.pth', age=100)  # of an earlier run
    assert start(tmp_path, {'SLURM_RESTART_COUNT': '1'}) == (False, 'weights.pth')
    new = save(tmp_path, 'epoch_1.pth', age=-1)
    assert start(tmp_path, {'SLURM_RESTART_COUNT': '2'}) == (True, new)
    assert start(tmp_path, {'SLURM_RESTART_COUNT': '3'}) == (True, new)


@pytest.mark.parametrize('pointer', [True, False])
def test_damaged_files_are_not_nothing(
    tmp_path: Path, pointer: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """With and without a file that names the newest of them."""
    path = Path(save(tmp_path, 'iter_5.pth'))
    path.write_bytes(path.read_bytes()[:300])
    if not pointer:
        (tmp_path / 'last_checkpoint').unlink()
    with pytest.raises(CheckpointError, match='remove'):
        start(tmp_path, newest=True)
    assert f"the checkpoint '{path}' is truncated" in capsys.readouterr().out
    (tmp_path / 'older').mkdir()
    older = Path(save(tmp_path / 'older', 'iter_4.pth'))
    older = older.rename(tmp_path / 'iter_4.pth')
    assert start(tmp_path, newest=True) == (True, str(older))
    assert f"the checkpoint '{path}' is truncated" in capsys.readouterr().out


def test_environment() -> None:
    """Launchers name ranks and restarts differently."""
    assert is_first_process({})
    assert is_first_process({'SLURM_PROCID': '0'})
    assert not is_first_process({'SLURM_PROCID': '3'})
    assert not is_first_process({'OMPI_COMM_WORLD_RANK': '1'})
    assert not was_restarted({})
    assert not was_restarted({'SLURM_RESTART_COUNT': ''})
