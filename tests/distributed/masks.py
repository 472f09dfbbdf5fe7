"""Masks that the number of processes and of accumulated batches does not change."""

from __future__ import annotations

import torch
from mmengine.dist import get_rank, get_world_size

from tests.engine import tiny  # registers the data set that the configs name
from videomac.models import RandomPatchMasking
from videomac.registry import MODELS
from videomac.sparse import PatchGrid

__all__ = ['MaskOfPlace', 'tiny']


@MODELS.register_module(force=True)
class MaskOfPlace(RandomPatchMasking):
    """The mask of a sample depends on its place in the order of all processes alone."""

    draws = 0

    def __call__(
        self,
        batch_size: int,
        image_size: tuple[int, int],
        num_frames: int = 2,
        device: torch.device | str | None = None,
        generator: torch.Generator | None = None,
    ) -> list[PatchGrid]:
        """Draw the masks of this process's samples."""
        world, rank = get_world_size(), get_rank()
        # DefaultSampler deals indices out in turn: sample k of rank r is k * world + r.
        first, self.draws = self.draws, self.draws + batch_size
        visible = []
        for own in range(first, first + batch_size):
            generator = torch.Generator().manual_seed(own * world + rank)
            (grid,) = super().__call__(1, image_size, 1, device, generator)
            visible.append(grid.visible)
        return [PatchGrid.from_mask(torch.cat(visible), self.patch_size)] * num_frames
