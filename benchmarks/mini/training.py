"""Trains a row with tools/train.py, and tells what that cost."""

from __future__ import annotations

import shutil
import statistics
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from videomac.analysis import costs
from videomac.models import VideoMAC
from videomac.registry import MODELS
from videomac.visualization import read_scalars

from .tool import load_tool

__all__ = ['elapsed_seconds', 'frames_of', 'seconds_a_step', 'step_cost', 'train']

TRIAL_STEPS = 12  # to time a step
WARM = 4  # of these, which are not counted


def train(cfg: Config, folder: Path, points: int = 1) -> None:
    """Train, or go on with a training that was stopped.

    Args:
        cfg: What to train.
        folder: Of logs and checkpoints.
        points: Number of checkpoints, the last one at the end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    interval = -(-cfg.train_cfg.max_iters // points)
    cfg.default_hooks.checkpoint.interval = interval
    # The time of every checkpoint is read from the log.
    logged = min(cfg.default_hooks.logger.interval, interval)
    cfg.default_hooks.logger.interval = cfg.log_processor.window_size = logged
    path = folder / 'training.py'
    cfg.dump(path)
    load_tool('train').main([str(path), '--work-dir', str(folder), '--resume'])


def elapsed_seconds(folder: Path) -> dict[int, float]:
    """Seconds of training up to each logged step, from the logs of a run.

    Stops between the parts of a run do not count, and steps that were done twice after a
    kill count once.

    Raises:
        FileNotFoundError: There is no log.
    """
    logs = sorted(folder.glob('*/vis_data/scalars.json'))
    if not logs:
        raise FileNotFoundError(f"there is no log of a training in '{folder}'")
    times: dict[int, float] = {}
    for log in logs:
        times |= dict(read_scalars(log).get('time', []))
    elapsed, before, total = {}, 0, 0.0
    for step in sorted(times):
        total += (step - before) * times[step]
        elapsed[step], before = total, step
    return elapsed


def seconds_a_step(cfg: Config, folder: Path) -> float:
    """Time a step by a short trial, whose traces are removed.

    Returns:
        The median of a few steps, loading included.
    """
    trial = Config(cfg.to_dict())
    trial.train_cfg.max_iters = TRIAL_STEPS
    trial.default_hooks.logger.interval = 1
    trial.log_processor.window_size = 1
    shutil.rmtree(folder, ignore_errors=True)
    try:
        train(trial, folder)
        (log,) = folder.glob('*/vis_data/scalars.json')
        times = [seconds for step, seconds in read_scalars(log)['time'] if step > WARM]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return statistics.median(times)


def frames_of(cfg: Config) -> int:
    """Frames of a sample."""
    return int(cfg.train_dataloader.dataset.get('num_frames', 2))


def image_size(cfg: Config) -> int:
    """Side of the frames in pixels."""
    pipeline = cfg.train_dataloader.dataset.pipeline
    return int(next(step['size'] for step in pipeline if 'size' in step))


def step_cost(cfg: Config) -> dict[str, int]:
    """Count parameters and multiply-adds.

    Returns:
        ``parameters`` that are trained, those of the decoder included, and
        ``multiply_adds`` of a training step of one sample, forward of all networks and
        backward of the trained one: of VideoMAC on visible patches, of other algorithms
        as they compute.
    """
    init_default_scope('videomac')
    model: Any = MODELS.build(cfg.model)
    side = image_size(cfg)
    if isinstance(model, VideoMAC):
        total = costs(model, (side, side))[-1]
        assert total.visible is not None
        return {'parameters': total.parameters, 'multiply_adds': total.visible}
    parameters = [p for p in model.parameters() if p.requires_grad]
    frames: Tensor = parameters[0].new_zeros(2, 3, side, side)  # norms need two
    model.train()
    with FlopCounterMode(display=False) as counter:
        losses = model(frames, [], mode='loss')
        sum(losses.values()).backward()
    return {
        'parameters': sum(p.numel() for p in parameters),
        'multiply_adds': counter.get_total_flops() // 4,
    }
