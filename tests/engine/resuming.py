"""A training with everything that could be lost at a stop, and runs of it."""

from __future__ import annotations

import gc
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.utils.data import Dataset

from videomac.registry import DATASETS, HOOKS, MODELS, OPTIM_WRAPPERS


@DATASETS.register_module(force=True)
class JitteredPoints(Dataset[dict[str, Tensor]]):
    """Points moved at random by all three generators; remembers which were read."""

    def __init__(self, length: int = 10) -> None:
        self.length = length
        self.read: list[int] = []

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        self.read.append(index)
        noise = [np.random.rand(), random.random(), float(torch.rand(()))]
        return {'inputs': torch.tensor([index, *noise], dtype=torch.float32)}


@MODELS.register_module(force=True)
class NoisyNetwork(BaseModel):
    """Has statistics, dropout, a random mask and a moving average of itself."""

    def __init__(self) -> None:
        super().__init__()
        self.online = nn.Sequential(
            nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1)
        )
        self.target = nn.Sequential(
            nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1)
        )
        self.target.requires_grad_(False)

    def init_weights(self) -> None:
        """Start the target as a copy."""
        self.target.load_state_dict(self.online.state_dict())

    def update_target(self, momentum: float) -> None:
        """Move the target, statistics and all."""
        pairs = zip(
            self.target.state_dict().values(),
            self.online.state_dict().values(),
            strict=True,
        )
        for own, online in pairs:
            if own.is_floating_point():
                own.mul_(momentum).add_(online, alpha=1 - momentum)

    def forward(self, inputs: Tensor, mode: str = 'loss') -> Any:
        """Predict the first number from the others and the target's opinion."""
        if mode == 'predict':
            return [{'prediction': each} for each in self.online(inputs)]
        inputs = inputs + 0.1 * torch.from_numpy(np.random.randn(*inputs.shape)).float()
        mask = (torch.rand_like(inputs) > 0.5).float()
        self.target.eval()
        with torch.no_grad():
            aim = self.target(inputs)
        output = self.online(inputs * mask)
        return {
            'loss_fit': (output - inputs[:, :1]).square().mean(),
            'loss_target': (output - aim).square().mean() * random.random(),
        }


@OPTIM_WRAPPERS.register_module(force=True)
class ScaledOptimWrapper(OptimWrapper):  # type: ignore[misc]
    """Mixed precision's gradient scaler, which mmengine's wrapper has on GPUs only."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # Grows every second step, so that it differs at a stop from a new one's.
        self.scaler = GradScaler('cpu', init_scale=8.0, growth_interval=2)

    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        """Propagate the scaled loss."""
        self.scaler.scale(loss).backward(**kwargs)
        self._inner_count += 1

    def step(self, **kwargs: Any) -> None:
        """Step with gradients scaled back."""
        self.scaler.step(self.optimizer, **kwargs)
        self.scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """The optimiser's and the scaler's."""
        return {**super().state_dict(), 'scaler': self.scaler.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Put both back."""
        self.scaler.load_state_dict(state_dict.pop('scaler'))
        super().load_state_dict(state_dict)


class StoppedError(Exception):
    """The end of a run that is cut short."""


@HOOKS.register_module(force=True)
class StopHook(Hook):
    """Ends the run without a word after an iteration."""

    priority = 'LOWEST'

    def __init__(self, after: int | None = None) -> None:
        self.after = after

    def after_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        """End it at the iteration."""
        if runner.iter + 1 == self.after:
            raise StoppedError

    def before_val_epoch(self, runner: Any) -> None:
        """End it before a validation that follows the iteration."""
        if self.after is not None and runner.iter == -self.after:
            raise StoppedError


@HOOKS.register_module(force=True)
class RecordHook(Hook):
    """Keeps what the model was given."""

    def __init__(self) -> None:
        self.batches: list[Tensor] = []

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Keep a batch."""
        self.batches.append(data_batch['inputs'].clone())


def settings(work_dir: Path, **changes: Any) -> dict[str, Any]:
    """Config of a run of 3 epochs of 5 iterations that saves at each iteration."""
    config: dict[str, Any] = dict(
        default_scope='videomac',
        work_dir=str(work_dir),
        model=dict(type='NoisyNetwork'),
        train_dataloader=dict(
            batch_size=2,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=True),
            collate_fn=dict(type='default_collate'),
            dataset=dict(type='JitteredPoints'),
        ),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.1)),
        param_scheduler=[
            dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=4),
            dict(type='CosineAnnealingLR', by_epoch=True, T_max=3, begin=0, end=3),
        ],
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=3),
        default_hooks=dict(
            logger=dict(type='LoggerHook', interval=2),
            checkpoint=dict(type='CheckpointHook', interval=1, by_epoch=False),
            safe_checkpoint=dict(type='SafeCheckpointHook'),
            exact_resume=dict(type='ExactResumeHook'),
        ),
        custom_hooks=[dict(type='TargetEMAHook', momentum=0.9), dict(type='RecordHook')],
        log_processor=dict(window_size=4),
        randomness=dict(seed=None),
        log_level='ERROR',
    )
    return config | changes


def train(
    work_dir: Path,
    stop: int | None = None,
    resume: bool = False,
    prepare: Any = None,
    **changes: Any,
) -> Runner:
    """Train, to the end or to a stop.

    Args:
        work_dir: Folder of checkpoints.
        stop: Iterations to stop after; negative to stop before the validation then.
        resume: Whether to go on from the newest checkpoint.
        prepare: Called with the runner before it trains.
        **changes: Keys of the config to replace.
    """
    config = settings(work_dir, resume=resume, **changes)
    # mmengine gives runs of one name and second one log, those of two tests too.
    name = f'{work_dir.parent.name}-{work_dir.name}-{len(list(work_dir.glob("*")))}'
    config['experiment_name'] = name
    config['custom_hooks'] = [*config['custom_hooks'], dict(type='StopHook', after=stop)]
    runner = Runner.from_cfg(config)
    if prepare is not None:
        prepare(runner)
    try:
        runner.train()
    except StoppedError:
        assert stop is not None
    finally:
        # Workers that outlive a run here would be inherited by those of the next one.
        runner.train_loop.dataloader._iterator = None
        gc.collect()
    return runner


def nested_equal(one: Any, two: Any, where: str = '') -> None:
    """Check that nested data are equal to the last bit."""
    if isinstance(one, Tensor):
        assert torch.equal(one, two), where
    elif isinstance(one, dict):
        assert one.keys() == two.keys(), where
        for key in one:
            nested_equal(one[key], two[key], f'{where}[{key!r}]')
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(two), where
        for i, pair in enumerate(zip(one, two, strict=True)):
            nested_equal(*pair, f'{where}[{i}]')
    else:
        assert one == two, where


def scalars(runner: Runner) -> dict[str, list[float]]:
    """All logged numbers except times."""
    logged = runner.message_hub.log_scalars
    return {
        name: history.data[0].tolist()
        for name, history in logged.items()
        if 'time' not in name
    }


def final_state(runner: Runner) -> dict[str, Any]:
    """Everything that a run ends with."""
    model = runner.model.module if hasattr(runner.model, 'module') else runner.model
    return {
        'model': model.state_dict(),
        'optimizer': runner.optim_wrapper.state_dict(),
        'schedulers': [each.state_dict() for each in runner.param_schedulers],
        'scalars': scalars(runner),
    }


def batches(runner: Runner) -> list[Tensor]:
    """What the model was given."""
    return next(h for h in runner.hooks if isinstance(h, RecordHook)).batches
