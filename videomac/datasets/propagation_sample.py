"""One video as the data sets of label propagation hand it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

__all__ = ['FrameTensors', 'PropagationVideo']


class FrameTensors(Protocol):
    """The frames of a video as tensors, each decoded when it is asked for."""

    def __len__(self) -> int:
        """Number of frames T."""
        ...

    def __getitem__(self, index: int) -> Tensor:
        """Frame ``index``, 0 <= index < T, normalised, float32 [3, H, W]."""
        ...


@dataclass(frozen=True, eq=False)
class PropagationVideo:
    """A video and the labels that propagation starts from.

    A data set's item is ``dict(inputs=PropagationVideo(...))``. mmengine's
    ``pseudo_collate`` leaves the video as it is, so that no frame is decoded before the
    model asks for it. Either ``first_label`` or ``points`` is given.

    Args:
        video: Name, as the benchmark's lists and result folders have it.
        frames: Files of the frames in order, T of them.
        inputs: The same frames as tensors of the network's size.
        ori_size: Height and width of the frames in pixels, as they lie on disk.
        first_label: Ids of frame 0, uint8 [H0, W0]; 0 is background, and void is to be
            background already.
        points: Joints of frame 0, float64 [2, J]: x, y in pixels of the original size,
            counted from 0; they may lie outside the picture.
        later_labels: Ids of objects that enter later, by frame, from 1: uint8 [H0, W0],
            0 where no new object is.
        palette: Colours of the ids for palette PNGs, uint8 [256, 3].
        meta: What else a metric needs, such as the files of the ground truth.

    Raises:
        ValueError: If the fields contradict each other.
    """

    video: str
    frames: Sequence[str | Path]
    inputs: FrameTensors
    ori_size: tuple[int, int]
    first_label: NDArray[np.uint8] | None = None
    points: NDArray[np.float64] | None = None
    later_labels: Mapping[int, NDArray[np.uint8]] = field(default_factory=dict)
    palette: NDArray[np.uint8] | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the fields against each other."""
        count = len(self.frames)
        if count != len(self.inputs) or not count:
            self._fail(
                f'{count} files and {len(self.inputs)} inputs; it needs as many of the '
                'one as of the other, and at least one'
            )
        if (self.first_label is None) == (self.points is None):
            self._fail('it needs either first_label or points')
        if self.points is not None:
            if self.points.ndim != 2 or len(self.points) != 2:
                self._fail(f'points must be [2, J], got {self.points.shape}')
            if self.later_labels:
                self._fail('later_labels go with first_label, not with points')
            return
        wrong = [each for each in self.later_labels if each not in range(1, count)]
        if wrong:
            self._fail(
                f'no object can enter later in frames {wrong}: there are frames 0 to '
                f'{count - 1}, and the labels of frame 0 are the first'
            )
        labels = {0: self.first_label, **self.later_labels}
        for frame, ids in labels.items():
            if ids is None or ids.dtype != np.uint8 or ids.shape != self.ori_size:
                got = 'None' if ids is None else f'{ids.dtype} {ids.shape}'
                self._fail(
                    f'the label of frame {frame} must be uint8 {self.ori_size}, got {got}'
                )

    def _fail(self, problem: str) -> None:
        raise ValueError(f"video '{self.video}': {problem}")
