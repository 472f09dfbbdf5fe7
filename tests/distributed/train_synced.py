"""Trains a ResNet whose BatchNorms the Runner synchronises, and saves its buffers.

Run by ``torchrun``; argument: work dir.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_rank
from mmengine.runner import Runner
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from tests.engine.tiny import runner_config
from videomac.utils.distributed import end_processes, prepare_cpu_processes


def no_check(*arguments: Any) -> None:
    """Stand in for the check of DistributedDataParallel."""


def main() -> None:
    """Train for two iterations."""
    work_dir = Path(sys.argv[1])
    torch.set_num_threads(1)
    cfg = runner_config(work_dir / 'runs', iterations=2)
    cfg['model']['encoder'] = dict(
        type='mmpretrain.ResNet', depth=18, base_channels=8, stem_channels=8
    )
    cfg['launcher'] = 'pytorch'
    cfg['sync_bn'] = 'torch'
    prepare_cpu_processes(cfg)
    # Torch takes such layers on GPUs only; that check apart, all is as it is there.
    DistributedDataParallel._passing_sync_batchnorm_handle = no_check  # type: ignore[method-assign]
    runner = Runner.from_cfg(cfg)
    encoder = runner.model.module.encoder
    kinds = {type(m) for m in encoder.modules() if 'Norm' in type(m).__name__}
    assert kinds == {nn.SyncBatchNorm}, kinds
    runner.train()
    buffers = dict(runner.model.module.encoder.named_buffers())
    torch.save(buffers, work_dir / f'rank{get_rank()}.pth')
    end_processes()


if __name__ == '__main__':
    main()
