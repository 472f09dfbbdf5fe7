"""Pairs of frames a random number of frames apart (SiamMAE, arXiv:2305.14344)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import torch

from videomac.registry import DATASETS

from .frame_pairs import FramePairDataset
from .sources import FrameSource, VideoRecord

__all__ = ['RandomGapPairDataset']


@DATASETS.register_module()
class RandomGapPairDataset(FramePairDataset):
    r"""Frame pairs :math:`(i, i + g)` with a new gap :math:`g` at every draw.

    The gap is uniform in ``[gap, max_gap]``, as far as the video reaches. It comes from
    torch's generator, like the augmentations. A sample is one for each first frame, as
    in :class:`FramePairDataset` with the smallest gap.

    Args:
        source: Where the frames come from, a :class:`FrameSource` or its config.
        pipeline: Transforms or their configs.
        gap: Smallest distance of the two frames in frames, at least 1.
        max_gap: Largest distance in frames.
        kwargs: Further arguments of :class:`FramePairDataset`, ``num_frames`` excepted.

    Raises:
        TypeError: ``num_frames`` is given.
        ValueError: An argument is out of its range, or no video is long enough.
    """

    def __init__(
        self,
        source: dict[str, Any] | FrameSource,
        pipeline: Sequence[dict[str, Any] | Callable[[Any], Any]],
        gap: int = 4,
        max_gap: int = 48,
        **kwargs: Any,
    ) -> None:
        if 'num_frames' in kwargs:
            raise TypeError(
                'RandomGapPairDataset has pairs of frames and no num_frames: leave it out'
            )
        if not isinstance(max_gap, int) or max_gap < gap:
            raise ValueError(
                f'max_gap must be an integer of at least gap={gap}, got {max_gap!r}'
            )
        self.max_gap = max_gap
        super().__init__(source, pipeline, gap=gap, num_frames=2, **kwargs)

    @property
    def metainfo(self) -> dict[str, Any]:
        """What the samples are: gap, max_gap, num_frames and the number of videos."""
        return super().metainfo | {'max_gap': self.max_gap}

    def _make(self, video: VideoRecord, indices: list[int]) -> Any:
        """Draw the second frame, then read both."""
        first = indices[0]
        most = self._farthest(video, first) - first
        gap = int(torch.randint(self.gap, most + 1, ()))
        return super()._make(video, [first, first + gap])

    def _farthest(self, video: VideoRecord, first: int) -> int:
        """The last frame that a first one can be paired with."""
        return min(first + self.max_gap, video.num_frames - 1)

    def _where(self, video: VideoRecord, indices: list[int]) -> str:
        """Name the first frame, and those of which the second is one."""
        first, nearest = indices
        farthest = self._farthest(video, first)
        if farthest == nearest:
            return super()._where(video, indices)
        if not video.frames:
            return f'{video.path}, frame {first} and one of {nearest} to {farthest}'
        names = (os.path.join(video.path, video.frames[i]) for i in (first, nearest))
        return f'{" and one of ".join(names)} to {video.frames[farthest]}'
