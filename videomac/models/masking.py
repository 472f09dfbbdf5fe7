"""Which patches of a pair of frames the networks may see."""

from __future__ import annotations

import torch

from ..registry import MODELS
from ..sparse.patch_grid import PatchGrid, grid_shape

__all__ = ['RandomPatchMasking']


@MODELS.register_module()
class RandomPatchMasking:
    """Hide patches at random, a new choice for every sample (paper, section 3.2).

    Of L patches ``int(L * (1 - ratio))`` stay visible.

    Args:
        patch_size: Side of a patch in pixels.
        ratio: Share of the patches that is hidden, in (0, 1).
        symmetric: Whether all frames of a sample have the same visible patches (the
            paper's default) or each its own (the ablation of Table 3).

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self, patch_size: int = 32, ratio: float = 0.75, symmetric: bool = True
    ) -> None:
        if patch_size < 1:
            raise ValueError(f'patch_size must be a positive int, got {patch_size}')
        if not 0 < ratio < 1:
            raise ValueError(f'ratio must be between 0 and 1, got {ratio}')
        self.patch_size = patch_size
        self.ratio = ratio
        self.symmetric = symmetric

    def num_visible(self, num_patches: int) -> int:
        """Return the number of visible patches of an image.

        Raises:
            ValueError: If none or all of the patches would be visible.
        """
        visible = int(num_patches * (1 - self.ratio))
        if not 0 < visible < num_patches:
            raise ValueError(
                f'a masking ratio of {self.ratio} leaves {visible} of {num_patches} '
                'patches visible; at least one must be visible and one hidden. Change '
                'the ratio, take smaller patches or larger images.'
            )
        return visible

    def __call__(
        self,
        batch_size: int,
        image_size: tuple[int, int],
        num_frames: int = 2,
        device: torch.device | str | None = None,
        generator: torch.Generator | None = None,
    ) -> list[PatchGrid]:
        """Draw masks.

        Args:
            batch_size: Number of samples.
            image_size: Height and width of the frames in pixels.
            num_frames: Frames of a sample.
            device: Where the masks are drawn and kept.
            generator: Source of randomness on that device; torch's own by default.

        Returns:
            One grid for each frame; when symmetric, the same object for all of them, so
            that its index tables are shared as well.

        Raises:
            ValueError: If the patch does not divide the image, or nothing would be
                visible or hidden.
        """
        rows, cols = grid_shape(image_size, self.patch_size)
        visible = self.num_visible(rows * cols)
        grids = []
        for _ in range(1 if self.symmetric else num_frames):
            noise = torch.rand(
                batch_size, rows * cols, device=device, generator=generator
            )
            kept = noise.argsort(dim=1)[:, :visible].sort(dim=1).values
            first = torch.arange(batch_size, device=device)[:, None] * (rows * cols)
            index = (first + kept).flatten()
            grids.append(
                PatchGrid(batch_size, rows, cols, self.patch_size, index, visible)
            )
        return grids * num_frames if self.symmetric else grids

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(patch_size={self.patch_size}, ratio={self.ratio}, '
            f'symmetric={self.symmetric})'
        )
