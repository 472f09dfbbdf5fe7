"""Work dirs that were moved, copied, or keep their checkpoints elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.engine.test_checkpoint_files import save
from videomac.engine.checkpoint_files import POINTER, newest_intact


def test_a_moved_work_dir(tmp_path: Path) -> None:
    (tmp_path / 'old').mkdir()
    save(tmp_path / 'old', 1)
    (tmp_path / 'old').rename(tmp_path / 'new')
    assert newest_intact(tmp_path / 'new') == str(tmp_path / 'new' / 'iter_1.pth')


@pytest.mark.parametrize('again', [False, True])
def test_a_copied_work_dir(tmp_path: Path, again: bool) -> None:
    """It is resumed by itself, also where the original has been trained again."""
    run, backup = tmp_path / 'run', tmp_path / 'backup'
    run.mkdir()
    before = save(run, 1, '20240101_000000').name
    last = save(run, 2, '20240101_000001').name
    shutil.copytree(run, backup)
    kept = (backup / last).read_bytes()
    if again:
        save(run, 2, '20250101_000000')
    assert newest_intact(backup) == str(backup / last)
    assert newest_intact(run) == str(run / last)
    assert ((run / last).read_bytes() == kept) is not again
    (backup / last).write_bytes(kept[:700])
    assert newest_intact(backup) == str(backup / before)


def test_checkpoints_in_another_folder(tmp_path: Path) -> None:
    """``out_dir`` of the hook: only the pointer is in the work dir."""
    other, work_dir = tmp_path / 'other', tmp_path / 'work'
    for folder in (other, work_dir):
        folder.mkdir()
    before = save(other, 1, '20240101_000000')
    last = save(other, 2, '20240101_000001')
    (other / POINTER).rename(work_dir / POINTER)
    assert newest_intact(work_dir) == str(last)
    # As an earlier run without `out_dir` has left it, no newer for its place.
    shutil.copy(before, work_dir / last.name)
    assert newest_intact(work_dir) == str(last)
    (work_dir / last.name).unlink()
    last.write_bytes(b'')
    assert newest_intact(work_dir) == str(before)
