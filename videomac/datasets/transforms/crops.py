"""Two crops of one frame (CropMAE, arXiv:2403.17823)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmcv.transforms import BaseTransform

from videomac.registry import TRANSFORMS

from .frames import FramesRandomResizedCrop, Results

__all__ = ['FramesGlobalLocalCrops']


@TRANSFORMS.register_module()
class FramesGlobalLocalCrops(BaseTransform):
    """Make two views of one frame: a large crop, and a crop of that crop.

    So the content of the second view is in the first, at another scale and place.

    Args:
        size: Size of both views in pixels, one number or (height, width).
        global_scale: Range of the first crop's area as a fraction of the frame's.
        local_scale: Range of the second's as a fraction of the first's.
        ratio: Range of the windows' width / height, drawn uniformly in its logarithm.
        interpolation: ``'bicubic'``, ``'bilinear'`` or ``'nearest'``.

    Raises:
        ValueError: An argument is out of its range.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        global_scale: Sequence[float] = (0.5, 1.0),
        local_scale: Sequence[float] = (0.3, 0.6),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
        interpolation: str = 'bicubic',
    ) -> None:
        self.crops = [
            FramesRandomResizedCrop(size, scale, ratio, interpolation)
            for scale in (global_scale, local_scale)
        ]

    def transform(self, results: Results) -> Results:
        """Turn ``frames`` ``[1, 3, H, W]`` into ``[2, 3, *size]``, global view first.

        Raises:
            ValueError: The sample has several frames.
        """
        frames = results['frames']
        if len(frames) != 1:
            raise ValueError(
                f'FramesGlobalLocalCrops makes two views of one frame, got {len(frames)} '
                'frames: set num_frames=1 of the data set'
            )
        views = []
        for crop in self.crops:
            frames = crop.transform(dict(frames=frames))['frames']
            views.append(frames)
        results['frames'] = torch.cat(views)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(crops={self.crops})'
