"""Two crops of one frame (CropMAE, arXiv:2403.17823)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmcv.transforms import BaseTransform

from videomac.registry import TRANSFORMS

from .frames import FramesRandomResizedCrop, Results, Window

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

        Returns:
            The results with ``windows``, top, left, height and width of the two views in
            pixels of the frame; those of the local one are rounded.

        Raises:
            ValueError: The sample has several frames.
        """
        frames = results['frames']
        if len(frames) != 1:
            raise ValueError(
                f'FramesGlobalLocalCrops makes two views of one frame, got {len(frames)} '
                'frames: set num_frames=1 of the data set'
            )
        views, windows = [], []
        for crop in self.crops:
            cut = crop.transform(dict(frames=frames))
            frames = cut['frames']
            views.append(frames)
            windows += cut['windows']
        outer, inner = windows
        results['frames'] = torch.cat(views)
        results['windows'] = [outer, _within(outer, inner, views[0].shape[-2:])]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(crops={self.crops})'


def _within(outer: Window, inner: Window, size: Sequence[int]) -> Window:
    """Place a window in what another one was cut out of.

    Args:
        outer: Top, left, height and width of a view in the frame.
        inner: The same of a window in that view.
        size: Height and width of the view.
    """
    scale = outer[2] / size[0], outer[3] / size[1]
    top, left = (outer[k] + round(inner[k] * scale[k]) for k in (0, 1))
    height, width = (max(1, round(inner[k + 2] * scale[k])) for k in (0, 1))
    return top, left, height, width
