"""Trains the tiny model in each of several processes and saves what each ends with.

Run by ``torchrun``; arguments: work dir, batch size of a process.
"""

import sys
from pathlib import Path

import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.runner import Runner

from tests.engine.tiny import runner_config
from videomac.models import RandomPatchMasking
from videomac.sparse import PatchGrid
from videomac.utils.distributed import end_processes, prepare_cpu_processes


class MaskOfRank(RandomPatchMasking):
    """Masks that depend on the place of a sample in the global batch alone."""

    draws = 0

    def __call__(self, batch_size, image_size, num_frames=2, device=None, generator=None):  # type: ignore[no-untyped-def]
        """Draw the masks of the global batch and keep this process's samples."""
        generator = torch.Generator().manual_seed(self.draws)
        self.draws += 1
        world, rank = get_world_size(), get_rank()
        whole = super().__call__(batch_size * world, image_size, 1, device, generator)[0]
        # DefaultSampler deals indices out in turn: sample k of rank r is k * world + r.
        grid = PatchGrid.from_mask(whole.visible[rank::world], self.patch_size)
        return [grid] * num_frames


def main() -> None:
    """Train for four iterations."""
    work_dir, batch_size = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    cfg = runner_config(work_dir, iterations=4, batch_size=batch_size)
    cfg['launcher'] = 'pytorch'
    # Plain gradient descent: Adam turns rounding errors into steps of full length.
    cfg['optim_wrapper']['optimizer'] = dict(type='SGD', lr=0.05)
    cfg['custom_hooks'] = [dict(type='TargetEMAHook', momentum=0.5)]
    prepare_cpu_processes(cfg)
    runner = Runner.from_cfg(cfg)
    model = runner.model.module
    model.masking = MaskOfRank(32, 0.5)
    runner.train()
    torch.save(
        model.state_dict(), work_dir / f'rank{get_rank()}_of_{get_world_size()}.pth'
    )
    end_processes()


if __name__ == '__main__':
    main()
