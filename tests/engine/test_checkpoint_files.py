"""Files of checkpoints survive kills, full disks and flipped bits, or say so."""

from __future__ import annotations

import errno
import io
import logging
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmengine.config import Config
from torch import Tensor

from videomac.engine import checkpoint_files
from videomac.engine.checkpoint_files import (
    POINTER,
    CheckpointError,
    check_folder,
    find_damage,
    newest_intact,
    remove_leftovers,
    write_durably,
)
from videomac.engine.restart import choose_start


def content(iteration: int, time: str = '20240101_000000') -> dict[str, Any]:
    """Make what a checkpoint holds, as little of it as can be resumed from."""
    generator = torch.Generator().manual_seed(iteration)
    return dict(
        meta=dict(iter=iteration, epoch=0, time=time),
        state_dict=dict(weight=torch.randn(16, 16, generator=generator)),
        optimizer=dict(state={}),
    )


def as_bytes(checkpoint: dict[str, Any]) -> bytes:
    """Make the file of a checkpoint."""
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    return buffer.getvalue()


def save(folder: Path, iteration: int, time: str = '20240101_000000') -> Path:
    """Write a checkpoint and point to it, as mmengine does."""
    path = folder / f'iter_{iteration}.pth'
    path.write_bytes(as_bytes(content(iteration, time)))
    (folder / POINTER).write_text(str(path))
    return path


def flatten(value: Any) -> Any:
    """Make data comparable: tensors as lists."""
    if isinstance(value, dict):
        return {key: flatten(item) for key, item in value.items()}
    return value.tolist() if isinstance(value, Tensor) else value


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let the system refuse to write larger files (EFBIG), as a full disk would."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


WHOLE = as_bytes(content(1))


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_any_changed_byte_is_found_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, position: int, change: int
) -> None:
    """What is called intact loads, and equals what was saved."""
    damaged = bytearray(WHOLE)
    damaged[position] ^= change
    path = tmp_path_factory.getbasetemp() / 'flipped.pth'
    path.write_bytes(damaged)
    if find_damage(path) is None:
        assert flatten(torch.load(path, weights_only=True)) == flatten(content(1))


def test_torch_alone_does_not_see_a_flipped_weight(tmp_path: Path) -> None:
    """The reason for the check; every bit of every weight is covered by it."""
    weight = content(1)['state_dict']['weight'].numpy().tobytes()
    start = WHOLE.index(weight)
    path = tmp_path / 'x.pth'
    for position in range(start, start + len(weight), 37):
        damaged = bytearray(WHOLE)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        torch.load(path, weights_only=True)
        assert 'checksum' in (find_damage(path) or '')


@given(st.integers(0, len(WHOLE) - 1))
def test_any_truncation_is_found(
    tmp_path_factory: pytest.TempPathFactory, length: int
) -> None:
    path = tmp_path_factory.getbasetemp() / 'cut.pth'
    path.write_bytes(WHOLE[:length])
    assert ('empty' if length == 0 else 'truncated') in (find_damage(path) or '')


@given(st.binary(max_size=300))
def test_any_other_file_is_no_checkpoint(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / 'other.pth'
    path.write_bytes(data)
    assert find_damage(path) is not None


def test_intact_files_pass(tmp_path: Path) -> None:
    path = save(tmp_path, 1)
    assert find_damage(path) is None
    assert 'does not exist' in (find_damage(tmp_path / 'none.pth') or '')


def test_files_with_objects_are_not_called_damaged(tmp_path: Path) -> None:
    """They are refused later, with the reason; to go on without them would hide it."""
    path = tmp_path / 'objects.pth'
    torch.save({'x': logging.LogRecord('a', 1, 'b', 1, 'c', (), None)}, path)
    assert find_damage(path) is None


CALLS = ('open', 'fsync', 'replace', 'fsync folder')


def crash_at(
    call: str, monkeypatch: pytest.MonkeyPatch, crash: Callable[[], Any]
) -> None:
    """Let a step of ``write_durably`` crash instead."""

    def crashing(*args: Any, **kwargs: Any) -> Any:
        return crash()

    if call == 'open':
        monkeypatch.setattr(checkpoint_files, 'open', crashing, raising=False)
    elif call == 'fsync folder':
        monkeypatch.setattr(checkpoint_files, '_flush_folder', crashing)
    else:
        monkeypatch.setattr(os, call, crashing)


@pytest.mark.parametrize('call', CALLS)
def test_a_kill_leaves_the_old_or_the_new_file(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process killed at any step; the name stands for a whole file all the time."""
    path = tmp_path / 'iter.pth'
    write_durably(path, WHOLE)
    new = as_bytes(content(2))
    child = os.fork()
    if child == 0:
        crash_at(call, monkeypatch, lambda: os.kill(os.getpid(), signal.SIGKILL))
        write_durably(path, new)
        os._exit(0)  # not killed: the step was not taken
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert path.read_bytes() == (new if call == 'fsync folder' else WHOLE)
    left = {each.name for each in tmp_path.iterdir()} - {path.name}
    assert left == ({'.iter.pth.partial'} if call in ('fsync', 'replace') else set())
    remove_leftovers(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize('call', CALLS[:3])
def test_an_error_leaves_nothing_behind(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / 'iter.pth'
    write_durably(path, WHOLE)

    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    crash_at(call, monkeypatch, full)
    with pytest.raises(OSError, match='No space left'):
        write_durably(path, b'other')
    assert path.read_bytes() == WHOLE
    assert len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """The system itself refuses the write half-way."""
    path = tmp_path / 'big'
    write_durably(path, b'old')
    with largest_file(5000), pytest.raises(OSError, match='too large'):
        write_durably(path, bytes(10_000))
    assert path.read_bytes() == b'old'
    assert len(list(tmp_path.iterdir())) == 1


def test_a_disk_that_forgets_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte that changes between writing and reading back is an error."""
    flush = os.fsync

    def flip(descriptor: int) -> None:
        os.pwrite(descriptor, b'X', 4321)
        flush(descriptor)

    monkeypatch.setattr(os, 'fsync', flip)
    monkeypatch.setattr(checkpoint_files, '_CHUNK', 1000)
    with pytest.raises(OSError, match='reads back differently after byte 4000'):
        write_durably(tmp_path / 'x', bytes(10_000))
    assert list(tmp_path.iterdir()) == []


def test_the_newest_is_the_one_pointed_at(tmp_path: Path) -> None:
    """A checkpoint of an earlier run in the same folder is not, however far it got."""
    save(tmp_path, 900, '20230101_000000')
    last = save(tmp_path, 1)
    assert newest_intact(tmp_path) == str(last)


@pytest.mark.parametrize('damage', ['flip', 'cut', 'empty', 'gone'])
def test_the_one_before_replaces_a_damaged_one(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path, 900, '20230101_000000')
    save(tmp_path, 1, '20240101_000000')
    before = save(tmp_path, 2, '20240101_000001')
    last = save(tmp_path, 3, '20240101_000001')
    data = last.read_bytes()
    os.utime(before, (1, 1))  # a copy may have any time
    if damage == 'gone':
        last.unlink()
    else:
        bad = {
            'flip': data[:1500] + b'~~~' + data[1503:],
            'cut': data[:700],
            'empty': b'',
        }
        last.write_bytes(bad[damage])
    assert newest_intact(tmp_path) == str(before)
    output = capsys.readouterr().out
    said = {'flip': 'damaged', 'cut': 'truncated', 'empty': 'empty', 'gone': 'not exist'}
    assert str(last) in output
    assert said[damage] in output
    assert f"resuming from the checkpoint '{before}'" in output


@pytest.mark.parametrize('pointer', [b'', b'\xff\0', None])
def test_a_damaged_or_missing_pointer(pointer: bytes | None, tmp_path: Path) -> None:
    save(tmp_path, 1, '20240101_000000')
    last = save(tmp_path, 2, '20240101_000001')
    # Not to resume from: the best weights have no optimiser's state.
    torch.save(dict(meta=dict(iter=3, time='2025')), tmp_path / 'best_x_iter_3.pth')
    (tmp_path / POINTER).unlink()
    if pointer is not None:
        (tmp_path / POINTER).write_bytes(pointer)
    assert newest_intact(tmp_path) == str(last)


def test_nothing_to_resume_from(tmp_path: Path) -> None:
    assert newest_intact(tmp_path) is None
    assert newest_intact(tmp_path / 'none') is None
    (tmp_path / POINTER).write_text('s3://bucket/iter_1.pth')
    assert newest_intact(tmp_path) == 's3://bucket/iter_1.pth'


def test_nothing_but_damaged_files_is_an_error(tmp_path: Path) -> None:
    """Weeks of training must not be started again without a question."""
    for iteration in (1, 2):
        save(tmp_path, iteration).write_bytes(b'damaged')
    with pytest.raises(CheckpointError, match='backup'):
        newest_intact(tmp_path)


def test_a_named_checkpoint_with_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    """Torch would load it; what torch refuses is left to what explains that."""
    path = save(tmp_path, 1)
    cfg = Config(dict(resume=True, load_from=str(path), work_dir=str(tmp_path)))
    choose_start(cfg, env={})
    data = bytearray(path.read_bytes())
    data[data.index(content(1)['state_dict']['weight'].numpy().tobytes())] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match='checksum of its record'):
        choose_start(cfg, env={})
    path.write_bytes(b'pickle')
    choose_start(cfg, env={})


def test_folders_that_cannot_be_written_to(tmp_path: Path) -> None:
    free = check_folder(tmp_path / 'new' / 'deep', 1000)
    assert free >= 1000
    assert list((tmp_path / 'new' / 'deep').iterdir()) == []
    with pytest.raises(CheckpointError, match=r'one takes about .* MB, and'):
        check_folder(tmp_path, 2**60)
    (tmp_path / 'file').write_bytes(b'')
    with pytest.raises(CheckpointError, match='--work-dir'):
        check_folder(tmp_path / 'file' / 'below')


def test_a_folder_without_permission(tmp_path: Path) -> None:
    """The superuser may write anywhere, so a child becomes somebody else."""
    tmp_path.chmod(0o500)
    child = os.fork()
    if child == 0:
        if os.getuid() == 0:
            os.setuid(65534)
        try:
            check_folder(tmp_path)
        except CheckpointError as error:
            os._exit(7 if 'Permission denied' in str(error) else 8)
        os._exit(9)
    status = os.waitpid(child, 0)[1]
    tmp_path.chmod(0o700)
    assert os.waitstatus_to_exitcode(status) == 7
