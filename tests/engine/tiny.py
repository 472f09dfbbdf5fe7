"""A run of a few iterations on random frames, for tests of the training loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from tests.models.common import config
from videomac.registry import DATASETS


@DATASETS.register_module(force=True)
class NoiseFrames(Dataset[dict[str, Tensor]]):
    """Pairs of noise frames, the same for the same index."""

    def __init__(self, length: int = 16, size: int = 64) -> None:
        self.length = length
        self.size = size

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(index)
        shape = (2, 3, self.size, self.size)
        frames = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        return dict(inputs=frames)


def runner_config(work_dir: Path, iterations: int, batch_size: int = 2) -> dict[str, Any]:
    """Config of a Runner that trains the small model on noise."""
    return dict(
        default_scope='videomac',
        experiment_name=f'{work_dir.parent.name}-{work_dir.name}',
        work_dir=str(work_dir),
        model=config(),
        train_dataloader=dict(
            batch_size=batch_size,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=False),
            collate_fn=dict(type='default_collate'),
            dataset=dict(type='NoiseFrames'),
        ),
        optim_wrapper=dict(
            type='OptimWrapper',
            constructor='TrainableOptimWrapperConstructor',
            optimizer=dict(type='AdamW', lr=1e-3),
        ),
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=iterations),
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', interval=-1),
            safe_checkpoint=dict(type='SafeCheckpointHook'),
        ),
        custom_hooks=[dict(type='TargetEMAHook')],
        randomness=dict(seed=0),
        log_level='ERROR',
    )
