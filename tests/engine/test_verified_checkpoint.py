"""Training never loses its last good checkpoint."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.runner import Runner

from tests.engine.saving import make_runner, names
from videomac.engine import checkpoint_files
from videomac.engine.checkpoint_files import (
    POINTER,
    CheckpointError,
    find_damage,
    newest_intact,
)
from videomac.engine.hooks import verified_checkpoint
from videomac.engine.hooks.verified_checkpoint import checkpoint_size

from .test_checkpoint_files import largest_file

ROOT = Path(__file__).parents[2]


def warnings_of(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect what the runner will warn of."""
    said: list[str] = []
    monkeypatch.setattr(runner.logger, 'warning', said.append)
    return said


def test_checkpoints_are_whole_and_few(tmp_path: Path) -> None:
    """As many as asked for, the newest pointed at, and each what torch loads safely."""
    runner = make_runner(tmp_path / 'run')
    runner.train()
    folder = tmp_path / 'run'
    assert names(folder) == ['iter_5.pth', 'iter_6.pth']
    assert newest_intact(folder) == str(folder / 'iter_6.pth')
    assert (folder / POINTER).read_text() == str(folder / 'iter_6.pth')
    saved = torch.load(folder / 'iter_6.pth', weights_only=True)
    assert saved['meta']['iter'] == 6
    for name, value in runner.model.state_dict().items():
        assert torch.equal(saved['state_dict'][name], value), name
    assert not list(folder.glob('.*'))


def test_the_size_of_a_checkpoint_is_known_before(tmp_path: Path) -> None:
    """AdamW keeps two numbers for each weight; the rest of the file is small."""
    runner = make_runner(tmp_path / 'run', iterations=1)
    runner.train()
    tensors: list[int] = []

    def add(value: Any) -> None:
        if isinstance(value, torch.Tensor):
            tensors.append(value.numel() * value.element_size())
        elif isinstance(value, dict):
            for item in value.values():
                add(item)

    saved = torch.load(tmp_path / 'run' / 'iter_1.pth', weights_only=True)
    add(saved['state_dict'])
    add(saved['optimizer']['state'])
    steps = 4 * len(saved['optimizer']['state'])  # AdamW counts them for each tensor
    assert checkpoint_size(runner) == sum(tensors) - steps
    assert checkpoint_size(runner, optimizer=False) < checkpoint_size(runner)


def test_a_crash_between_checkpoint_and_deletion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outdated one goes when the run is resumed."""
    folder = tmp_path / 'run'

    def crash(self: Any, path: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(verified_checkpoint.VerifiedCheckpointHook, '_remove', crash)
        with pytest.raises(KeyboardInterrupt):
            make_runner(folder).train()
    assert names(folder) == ['iter_1.pth', 'iter_2.pth', 'iter_3.pth']
    found = newest_intact(folder)
    assert found == str(folder / 'iter_3.pth')
    make_runner(folder, iterations=4, resume=found).train()
    assert names(folder) == ['iter_3.pth', 'iter_4.pth']


def test_no_checkpoint_is_deleted_before_the_next_is_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever one is deleted, the one pointed at is newer and whole."""
    folder, seen = tmp_path / 'run', []
    remove = checkpoint_files.VerifiedBackend.remove

    def checked(self: Any, path: str) -> None:
        pointer = Path((folder / POINTER).read_text())
        assert find_damage(pointer) is None
        seen.append((Path(path).name, pointer.name))
        remove(self, path)

    monkeypatch.setattr(checkpoint_files.VerifiedBackend, 'remove', checked)
    make_runner(folder, iterations=4).train()
    assert seen == [('iter_1.pth', 'iter_3.pth'), ('iter_2.pth', 'iter_4.pth')]


def test_training_goes_on_when_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Iterations 3 and 4 cannot be saved; weights and later files are as without it."""
    full = [False]
    write = checkpoint_files._compare

    def compare(path: Path, data: bytes) -> None:
        if full[0] and path.name.startswith('.iter'):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write(path, data)

    def act(iteration: int) -> None:
        full[0] = iteration in (2, 3)
        if iteration == 4:  # before the fifth
            assert names(folder) == ['iter_1.pth', 'iter_2.pth']
            assert newest_intact(folder) == str(folder / 'iter_2.pth')

    monkeypatch.setattr(checkpoint_files, '_compare', compare)
    folder = tmp_path / 'run'
    runner = make_runner(folder, act=act)
    said = warnings_of(runner, monkeypatch)
    runner.train()
    assert len(said) == 2
    assert "'iter_3.pth' not saved" in said[0]
    assert 'No space left' in said[0]
    assert 'next interval' in said[0]
    assert names(folder) == ['iter_5.pth', 'iter_6.pth']
    info = torch.load(folder / 'iter_6.pth', weights_only=True)['message_hub']
    assert info['runtime_info']['keep_ckpt_ids'] == [2, 5, 6]  # 2 goes after this one
    undisturbed = make_runner(tmp_path / 'other')
    undisturbed.train()
    for name, value in undisturbed.model.state_dict().items():
        assert torch.equal(runner.model.state_dict()[name], value), name


def test_a_real_limit_of_the_file_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system refuses the first save; it was not known before the training."""
    folder = tmp_path / 'run'
    runner = make_runner(folder, iterations=2, patience=0)
    said = warnings_of(runner, monkeypatch)
    half = checkpoint_size_of(runner) // 2
    with largest_file(half), pytest.raises(CheckpointError, match='File too large'):
        runner.train()  # its last checkpoint is the second
    assert names(folder) == []
    assert "'iter_1.pth' not saved" in said[0]
    assert newest_intact(folder) is None


def test_the_last_checkpoint_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no next interval; after ``patience`` the run fails."""
    pauses: list[float] = []
    attempts = [0]

    def put(self: Any, obj: bytes, path: str) -> None:
        attempts[0] += 1
        if attempts[0] < 3:
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), path)
        checkpoint_files.write_durably(path, obj)

    monkeypatch.setattr(checkpoint_files.VerifiedBackend, 'put', put)
    monkeypatch.setattr(time, 'sleep', pauses.append)
    make_runner(tmp_path / 'run', iterations=1).train()
    assert pauses == [verified_checkpoint.PAUSE] * 2
    assert names(tmp_path / 'run') == ['iter_1.pth']
    attempts[0] = -100
    with pytest.raises(CheckpointError, match='the run failed'):
        make_runner(tmp_path / 'impatient', iterations=1, patience=0).train()


def test_too_little_room_is_known_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error for one checkpoint, a warning for all that are kept."""
    runner = make_runner(tmp_path / 'a', iterations=1)
    size = checkpoint_size_of(runner)
    usage = shutil.disk_usage(tmp_path)
    free = [size - 1]
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: usage._replace(free=free[0]))
    with pytest.raises(CheckpointError, match='Make room'):
        runner.train()
    assert runner.iter == 0
    free[0] = 3 * size - 1
    runner = make_runner(tmp_path / 'b', iterations=1)
    said = warnings_of(runner, monkeypatch)
    runner.train()
    assert 'has room for 2 checkpoints' in said[0]
    assert '3 are there at a time' in said[0]
    free[0] = 3 * size
    runner = make_runner(tmp_path / 'c', iterations=1)
    said = warnings_of(runner, monkeypatch)
    runner.train()
    assert said == []


def checkpoint_size_of(runner: Runner) -> int:
    """Estimate the size; the runner builds its optimiser when it trains."""
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    return checkpoint_size(runner)


def test_an_unwritable_folder_is_known_before(tmp_path: Path) -> None:
    """``out_dir`` cannot be made, since a file is in the way."""
    (tmp_path / 'file').write_text('in the way')
    runner = make_runner(tmp_path / 'run', out_dir=str(tmp_path / 'file'))
    with pytest.raises(CheckpointError, match='cannot be saved in'):
        runner.train()
    assert runner.iter == 0


def test_the_old_best_goes_after_the_new_one_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second best cannot be written: the first stays, and the third replaces it."""
    put = checkpoint_files.VerifiedBackend.put
    folder = tmp_path / 'run'
    states: list[list[str]] = []

    def failing(self: Any, obj: bytes, path: str) -> None:
        states.append([name for name in names(folder) if name.startswith('best')])
        if path.endswith('best_acc_iter_2.pth'):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        put(self, obj, path)

    monkeypatch.setattr(checkpoint_files.VerifiedBackend, 'put', failing)
    runner = make_runner(folder, iterations=4, scores=[0.5, 0.7, 0.6, 0.55])
    said = warnings_of(runner, monkeypatch)
    runner.train()
    assert any('best checkpoint not saved' in each for each in said)
    # 0.6 is better than the 0.5 on the disk, though not than the 0.7 that was lost.
    best = [name for name in names(folder) if name.startswith('best')]
    assert best == ['best_acc_iter_3.pth']
    hub = runner.message_hub
    assert hub.get_info('best_score') == 0.6
    assert hub.get_info('best_ckpt') == str(folder / best[0])
    first = next(i for i, state in enumerate(states) if state)
    assert all(states[first:]), 'there was a moment without a best checkpoint'
    assert find_damage(folder / best[0]) is None


SAVE_AND_WAIT = """
import sys, time, os
from pathlib import Path
from tests.engine.saving import make_runner
from videomac.engine import checkpoint_files
compare, count = checkpoint_files._compare, [0]
def slow(path, data):
    if path.name == '.iter_3.pth.partial':
        print('saving', flush=True)
        time.sleep(60)
    compare(path, data)
checkpoint_files._compare = slow
make_runner(Path(sys.argv[1]), iterations=4).train()
"""


def test_killed_while_it_saves(tmp_path: Path) -> None:
    """Resumes from the checkpoint before and ends with the weights of a whole run."""
    folder = tmp_path / 'run'
    process = subprocess.Popen(
        [sys.executable, '-W', 'ignore', '-c', SAVE_AND_WAIT, str(folder)],
        cwd=ROOT,
        env=os.environ | {'OMP_NUM_THREADS': '1'},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == 'saving':
            break
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()
    assert (folder / '.iter_3.pth.partial').is_file()
    found = newest_intact(folder)
    assert found == str(folder / 'iter_2.pth')
    resumed = make_runner(folder, iterations=4, resume=found)
    resumed.train()
    assert not list(folder.glob('.*'))
    assert names(folder) == ['iter_3.pth', 'iter_4.pth']


def test_bad_patience() -> None:
    with pytest.raises(ValueError, match='patience'):
        verified_checkpoint.VerifiedCheckpointHook(patience=-1)


@pytest.mark.parametrize('when', ['later', 'before'])
def test_two_processes(when: str, tmp_path: Path) -> None:
    """The second process neither writes nor waits for what the first cannot write."""
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone']
    script = 'tests.engine.saving_processes'
    command += ['--nproc_per_node=2', '-m', script, str(tmp_path), when]
    env = os.environ | {'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    results = [(tmp_path / f'rank{rank}.txt').read_text() for rank in range(2)]
    if when == 'before':
        assert all('cannot be saved in' in result for result in results)
    else:
        assert results == ['ended at 4', 'ended at 4']
        assert names(tmp_path / 'run') == ['iter_1.pth', 'iter_4.pth']
