"""A run in which chosen batches make numbers that are not finite."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmpretrain.structures import DataSample
from torch import Tensor, nn
from torch.utils.data import Dataset

from videomac.registry import DATASETS, MODELS

#: What a batch may spoil; each is finite otherwise.
KINDS = ('loss', 'gradient', 'large gradient', 'buffer', 'input')


class _Spoil(torch.autograd.Function):
    """Identity with a gradient of its own."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, factor: float) -> Tensor:  # type: ignore[override]
        ctx.factor = factor
        return value.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        return torch.full_like(grad, ctx.factor), None


@DATASETS.register_module(force=True)
class PoisonedPoints(Dataset[dict[str, Any]]):
    """Batches of two points, each as its name says; ``good:3`` is the good batch 3.

    Processes take the batches in turn.
    """

    def __init__(self, batches: Sequence[str], processes: int = 1) -> None:
        self.batches = list(batches)
        self.processes = processes

    def __len__(self) -> int:
        return 2 * len(self.batches)

    def __getitem__(self, index: int) -> dict[str, Any]:
        # DefaultSampler deals the samples out in turn.
        place, process = divmod(index, self.processes)
        batch = self.batches[place // 2 * self.processes + process]
        kind, _, number = batch.partition(':')
        seed = 2 * int(number or 99) + place % 2
        generator = torch.Generator().manual_seed(seed)
        sample = DataSample(metainfo=dict(path=f'{kind}_{index}.jpg', kind=kind))
        return dict(inputs=torch.randn(4, generator=generator), data_samples=sample)


@MODELS.register_module(force=True)
class PoisonableModel(BaseModel):
    """Linear, BatchNorm, linear, and a moving average of it all."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
        self.extra = nn.BatchNorm1d(4, affine=False)
        self.target = copy.deepcopy(self.network).requires_grad_(False).eval()
        self.register_buffer('mask', torch.tensor([0.0, float('-inf')]))

    def update_target(self, momentum: float) -> None:
        """Move the target, buffers included."""
        for mine, theirs in zip(
            self.target.state_dict().values(),
            self.network.state_dict().values(),
            strict=True,
        ):
            if mine.is_floating_point():
                mine.lerp_(theirs, 1 - momentum)

    def forward(
        self, inputs: Tensor, data_samples: list[Any], mode: str = 'loss'
    ) -> dict[str, Tensor]:
        """Mean square of the output, spoilt as the first sample says."""
        kind = data_samples[0].kind
        if kind == 'input':
            inputs = inputs * float('nan')
        self.extra(inputs * float('inf') if kind == 'buffer' else inputs)
        output = self.network(inputs).float()
        if kind == 'gradient':
            output = _Spoil.apply(output, float('inf'))
        if kind == 'large gradient':
            output = _Spoil.apply(output, 1e25)
        loss = output.square().mean()
        return {'loss': loss + float('inf') if kind == 'loss' else loss}


def poisoned_run(
    work_dir: Path,
    batches: Sequence[str],
    wrapper: dict[str, Any] | None = None,
    max_skips: int = 3,
    processes: int = 1,
    **changes: Any,
) -> Runner:
    """Make a runner over the batches in their order."""
    cfg: dict[str, Any] = dict(
        model=dict(type='PoisonableModel'),
        default_scope='videomac',
        work_dir=str(work_dir),
        experiment_name=f'{work_dir.parent.name}-{work_dir.name}-{len(batches)}',
        train_dataloader=dict(
            dataset=dict(
                type='PoisonedPoints', batches=list(batches), processes=processes
            ),
            batch_size=2,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=False),
            collate_fn=dict(type='default_collate'),
        ),
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=len(batches) // processes),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.01))
        | (wrapper or {}),
        param_scheduler=dict(type='ConstantLR', factor=1.0, by_epoch=False),
        default_hooks=dict(
            checkpoint=dict(type='VerifiedCheckpointHook', interval=1, by_epoch=False),
            safe_checkpoint=dict(type='SafeCheckpointHook'),
            exact_resume=dict(type='ExactResumeHook'),
            finite_guard=dict(type='FiniteGuardHook', max_skips=max_skips),
        ),
        custom_hooks=[dict(type='TargetEMAHook', momentum=0.5, schedule='constant')],
        randomness=dict(seed=0),
        log_level='ERROR',
    )
    return Runner.from_cfg(cfg | changes)


def state_of(runner: Runner) -> dict[str, Tensor]:
    """Weights, buffers, target, and the optimiser's state."""
    model = getattr(runner.model, 'module', runner.model)
    state = dict(model.state_dict())
    for number, entry in runner.optim_wrapper.optimizer.state_dict()['state'].items():
        state |= {f'optimizer.{number}.{name}': value for name, value in entry.items()}
    return state
