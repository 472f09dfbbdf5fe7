"""A small training in child processes that can be killed, or kill themselves."""

import contextlib
import multiprocessing
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.hooks import Hook

from tools import train
from videomac.engine import checkpoint_files
from videomac.registry import HOOKS

__all__ = [
    'INTERVAL',
    'ITERATIONS',
    'PROGRESS',
    'STEPS',
    'start',
    'wait',
    'write_config',
    'write_frames',
]

ROOT = Path(__file__).resolve().parents[2]
ITERATIONS = 24
INTERVAL = 3
#: Steps of writing a file at which a process may kill itself, and what does them.
STEPS = ('half written', 'written', 'read back', 'renamed')
#: Iteration and first iteration of the training in the child process.
PROGRESS = multiprocessing.RawArray('l', 2)


@HOOKS.register_module(force=True)
class ProgressHook(Hook):  # type: ignore[misc]
    """Tells the campaign how far a run is."""

    def before_train(self, runner: Any) -> None:
        """Tell where it starts."""
        PROGRESS[:] = [runner.iter, runner.iter]

    def after_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        """Tell how many iterations are done."""
        PROGRESS[0] = runner.iter + 1


def write_frames(folder: Path, videos: int = 3, frames: int = 6) -> None:
    """Write folders of frames of noise."""
    generator = np.random.default_rng(0)
    for video in range(videos):
        (folder / f'video{video}').mkdir(parents=True)
        for frame in range(frames):
            small = generator.integers(0, 256, (9, 9, 3), dtype=np.uint8)
            image = cv2.resize(small, (72, 72), interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(folder / f'video{video}' / f'{frame:03d}.png'), image)


def write_config(path: Path, data: Path) -> None:
    """Write the config of the training: a few seconds on one core."""
    cfg = dict(
        model=dict(
            type='VideoMAC',
            encoder=dict(
                type='mmpretrain.ResNet', depth=18, stem_channels=8, base_channels=8
            ),
            masking=dict(type='RandomPatchMasking', patch_size=32, ratio=0.5),
            decoder=dict(type='ConvNeXtDecoder', dim=16, depth=1),
        ),
        train_dataloader=dict(
            batch_size=2,
            num_workers=1,
            drop_last=True,
            sampler=dict(type='DefaultSampler', shuffle=True),
            collate_fn=dict(type='default_collate'),
            dataset=dict(
                type='FramePairDataset',
                source=dict(type='FrameFolders', data_root=str(data)),
                pipeline=[
                    dict(type='FramesRandomResizedCrop', size=64, scale=(0.5, 1.0)),
                    dict(type='FramesRandomFlip', prob=0.5),
                    dict(type='PackFrames'),
                ],
            ),
        ),
        optim_wrapper=dict(
            type='OptimWrapper',
            constructor='TrainableOptimWrapperConstructor',
            optimizer=dict(type='AdamW', lr=1e-3),
            accumulative_counts=2,
            clip_grad=dict(max_norm=1.0),
        ),
        param_scheduler=dict(
            type='CosineAnnealingLR', T_max=ITERATIONS, by_epoch=False, end=ITERATIONS
        ),
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=ITERATIONS),
        default_hooks=dict(
            checkpoint=dict(interval=INTERVAL, by_epoch=False, max_keep_ckpts=3),
            logger=dict(interval=INTERVAL),
        ),
        custom_hooks=[dict(type='TargetEMAHook'), dict(type='ProgressHook')],
        vis_backends=[dict(type='LocalVisBackend')],
        visualizer=dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')]),
        randomness=dict(seed=1),
        log_level='WARNING',
    )
    base = ROOT / 'configs' / '_base_' / 'default_runtime.py'
    path.write_text(f'_base_ = {str(base)!r}\n{Config(cfg).pretty_text}')


def die() -> None:
    """Kill this process and its workers, as a scheduler kills a job."""
    os.killpg(0, signal.SIGKILL)


def die_while_saving(step: str, number: int) -> None:
    """Arrange for the process to kill itself.

    Args:
        step: One of :data:`STEPS`.
        number: At which file that is written, from 1 (checkpoints and their pointers).
    """
    left = [number]

    def at(name: str, module: Any, die_first: bool) -> None:
        call: Callable[..., Any] = getattr(module, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0] == 0 and die_first:
                die()
            result = call(*args, **kwargs)
            if left[0] == 0:
                die()
            return result

        setattr(module, name, counted)

    def open_half(path: Any, mode: str, *args: Any) -> Any:
        file = open(path, mode, *args)  # noqa: SIM115
        if 'w' in mode:
            left[0] -= 1
        if 'w' in mode and left[0] == 0:
            size = len(newest_bytes)
            file.write(newest_bytes[: random.randrange(size)])
            file.flush()
            die()
        return file

    if step == 'half written':
        newest_bytes = os.urandom(200_000)
        checkpoint_files.open = open_half  # type: ignore[attr-defined]
    elif step == 'written':
        at('fsync', os, die_first=True)
    elif step == 'read back':
        at('_compare', checkpoint_files, die_first=False)
    else:
        at('_flush_folder', checkpoint_files, die_first=True)


def start(config: Path, work_dir: Path, step: str | None, number: int) -> int:
    """Start or resume a training in a child process.

    The child is forked from this process, which has imported everything already.

    Returns:
        Its process id, which is that of its group, too.
    """
    PROGRESS[:] = [0, 0]
    work_dir.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.setpgid(0, 0)
        with open(work_dir / 'output.txt', 'ab') as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        torch.set_num_threads(1)
        random.seed()
        if step is not None:
            die_while_saving(step, number)
        train.main([str(config), '--work-dir', str(work_dir), '--resume'])
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def wait(child: int, seconds: float | None, iterations: int = 0) -> tuple[bool, float]:
    """Wait for a process, and kill it and its workers at a moment.

    Args:
        child: Its process id.
        seconds: When to kill it, in seconds after it has done so many ``iterations``;
            None to let it live.
        iterations: Iterations of this process; with 0 the time counts from the start.

    Returns:
        Whether it ended by itself and well, and after how many seconds.

    Raises:
        RuntimeError: It ended with an error.
    """
    begin = time.monotonic()
    counted = None if iterations else begin
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        now = time.monotonic()
        if found:
            break
        if counted is None and PROGRESS[0] - PROGRESS[1] >= iterations:
            counted = now
        due = counted is not None and seconds is not None and now - counted > seconds
        if due:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
        time.sleep(0.005)
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, -signal.SIGKILL):
        raise RuntimeError(f'the training ended with {code}; see its output.txt')
    return code == 0, now - begin
