"""Trains the tiny model in each of several processes and saves what each ends with.

Run by ``torchrun``; argument: work dir. Several runs share the start of the processes.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_rank
from mmengine.runner import Runner
from torch import Tensor, distributed
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks
from torch.futures import Future

from tests.distributed import masks  # registers what the config names
from tests.engine.tiny import runner_config
from videomac.utils.distributed import end_processes, prepare_cpu_processes

__all__ = ['GLOBAL_BATCH', 'RUNS', 'STEPS', 'masks']

#: Steps of the optimiser, and samples in each of them.
STEPS, GLOBAL_BATCH = 4, 8
#: Batches to a step, checkpointed activations, type of the optimiser's wrapper.
RUNS: dict[str, tuple[int, bool, str]] = {
    'plain': (1, False, 'OptimWrapper'),
    'accumulated': (2, False, 'OptimWrapper'),
    'checkpointed': (2, True, 'OptimWrapper'),
    'bfloat16': (2, False, 'BFloat16OptimWrapper'),
    'several maps': (1, False, 'OptimWrapper'),
}
#: Samples and batch size of the passes whose order is noted.
PASSES = ((8, 1), (13, 1), (13, 3))


def settings(work_dir: Path, world: int, name: str) -> dict[str, Any]:
    """Config of a run; the samples of a step are the same whatever its name."""
    accumulation, checkpointed, wrapper = RUNS[name]
    batch_size = GLOBAL_BATCH // world // accumulation
    cfg = runner_config(work_dir / name, STEPS * accumulation, batch_size)
    cfg['launcher'] = 'pytorch'
    cfg['model']['masking']['type'] = 'MaskOfPlace'
    cfg['model']['encoder']['with_cp'] = checkpointed
    # Plain gradient descent: Adam turns rounding errors into steps of full length. The
    # gradients of the untrained model are small; these steps move weights by 1e-2.
    cfg['optim_wrapper'] |= dict(
        type=wrapper,
        accumulative_counts=accumulation,
        optimizer=dict(type='SGD', lr=5.0),
    )
    if name == 'several maps':
        cfg['model']['encoder']['out_indices'] = (0, 1, 2, 3)
        cfg['find_unused_parameters'] = True
    cfg['custom_hooks'] = [
        dict(type='TargetEMAHook', momentum=0.5, schedule='constant'),
        dict(type='ExactResumeHook'),
    ]
    return cfg


def train(cfg: dict[str, Any]) -> tuple[dict[str, Tensor], int]:
    """Train; returns the state and the bytes of gradient that were exchanged."""
    prepare_cpu_processes(cfg)
    runner = Runner.from_cfg(cfg)
    sent = 0

    def count(
        group: Any,
        bucket: distributed.GradBucket,  # type: ignore[name-defined]
    ) -> Future[Tensor]:
        nonlocal sent
        sent += bucket.buffer().numel() * bucket.buffer().element_size()
        return default_hooks.allreduce_hook(group, bucket)

    runner.model.register_comm_hook(None, count)
    runner.train()
    return runner.model.module.state_dict(), sent


def deal(length: int, batch_size: int, drop_last: bool) -> list[list[int]]:
    """The batches of this process in a pass over shuffled data."""
    loader = Runner.build_dataloader(
        dict(
            batch_size=batch_size,
            num_workers=0,
            drop_last=drop_last,
            sampler=dict(type='DefaultSampler', shuffle=True),
            dataset=dict(type='NoiseFrames', length=length),
        ),
        seed=5,
    )
    return [list(batch) for batch in loader.batch_sampler]


def main() -> None:
    """Train in all ways, and note how data are dealt out."""
    work_dir, world = Path(sys.argv[1]), int(os.environ['WORLD_SIZE'])
    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    for name in RUNS:
        state, sent = train(settings(work_dir, world, name))
        found[name] = dict(state=state, sent=sent)
    rank = get_rank()
    torch.save(found, work_dir / f'rank{rank}_of_{world}.pth')
    dealt = {
        f'{length},{size},{drop_last}': deal(length, size, drop_last)
        for length, size in PASSES
        for drop_last in (False, True)
    }
    (work_dir / f'rank{rank}_of_{world}.json').write_text(json.dumps(dealt))
    end_processes()


if __name__ == '__main__':
    main()
