"""Frames masked and filled in again, to look at and to save."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmpretrain.structures import DataSample
from numpy.typing import NDArray

from ..datasets.video_input import to_tensor
from ..visualization import reconstruction_sheet, save_image
from ..visualization.clips import ClipWriter
from ..visualization.reconstruction import side_by_side

__all__ = ['Reconstruction']

Pictures = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """What a model made of T frames; pictures are RGB, uint8 in 0..255, [T, H, W, 3].

    Attributes:
        original: The frames as the model got them, resized and cropped.
        masked: The same with hidden patches in grey.
        prediction: Every patch as predicted, with its own mean and deviation where the
            model was trained on normalised patches.
        pasted: The prediction in hidden patches, the original in visible ones.
        visible: Which patches the model saw, bool [T, rows, cols].
        cancelled: Whether the run was stopped, so that frames are missing at the end.
    """

    original: Pictures
    masked: Pictures
    prediction: Pictures
    pasted: Pictures
    visible: NDArray[np.bool_]
    cancelled: bool = False

    def __len__(self) -> int:
        return len(self.original)

    def sheet(self) -> Pictures:
        """Arrange all pictures on one, a row for each frame, [height, width, 3]."""
        patch = self.original.shape[1] // self.visible.shape[1]
        visible = self.visible.repeat(patch, 1).repeat(patch, 2)
        sample = DataSample()
        sample.set_field(torch.from_numpy(visible)[:, None], 'visible', dtype=None)
        for name, pictures in (
            ('frames', self.original),
            ('reconstruction', self.prediction),
            ('pasted', self.pasted),
        ):
            sample.set_field(to_tensor(pictures) / 255, name, dtype=None)
        return reconstruction_sheet(sample)

    def row(self, index: int) -> Pictures:
        """The four pictures of a frame side by side, [H, 4 W + gaps, 3].

        Raises:
            IndexError: If there is no such frame.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f'there are {len(self)} frames, not one of {index}')
        names = ('original', 'masked', 'prediction', 'pasted')
        return side_by_side([getattr(self, name)[index] for name in names])

    def save_clip(self, stem: str | os.PathLike[str], fps: float = 12.0) -> Path:
        """Write the rows of all frames as a clip.

        Args:
            stem: Path without suffix; an MP4, or a GIF where PyAV is missing.
            fps: Frames a second, 0.001 to 1000.

        Returns:
            The file, in the place of an older one.

        Raises:
            ValueError: If ``fps`` is out of range.
        """
        writer = ClipWriter(Path(stem), len(self), fps)
        for index in range(len(self)):
            writer.add(self.row(index))
        return writer.close()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the sheet to a file, whose suffix sets the format."""
        save_image(Path(path), self.sheet())
        return Path(path)
