"""Trains with and without batches that are bad in one of two processes.

Run by ``torchrun``; argument: a folder for the states at the end.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_rank

from tests.engine.poison import KINDS, poisoned_run, state_of
from videomac.utils.distributed import end_processes, prepare_cpu_processes


def main() -> None:
    """Train twice."""
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    good = [(f'good:{i}', f'good:{i + 10}') for i in range(6)]
    bad = [
        (kind, 'good:30') if i % 2 else ('good:30', kind) for i, kind in enumerate(KINDS)
    ]
    spoilt = [good[0], *bad[:3], good[1], *bad[3:], *good[2:]]
    for name, pairs in (('spoilt', spoilt), ('clean', good)):
        cfg: dict[str, Any] = dict(launcher='pytorch')
        prepare_cpu_processes(cfg)
        batches = [batch for pair in pairs for batch in pair]
        runner = poisoned_run(folder / name, batches, processes=2, **cfg)
        runner.train()
        torch.save(state_of(runner), folder / f'{name}_{get_rank()}.pth')
    end_processes()


if __name__ == '__main__':
    main()
