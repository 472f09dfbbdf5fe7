"""Labels that were propagated through a video, to look at and to save."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..datasets.label_maps import object_palette
from ..datasets.video_input import Frames
from ..utils.output_files import refuse_inputs
from ..visualization.clips import ClipWriter, clip_path
from ..visualization.overlay import overlay_masks, overlay_pose
from .mask_folder import fill_mask_folder

__all__ = ['Propagation']


@dataclass(frozen=True, eq=False)
class Propagation:
    """The labels of the T frames that were done: masks, or points.

    Attributes:
        frames: The frames, decoded when asked for.
        masks: Ids of objects, uint8 [T, H, W], the first as given; None for points.
        points: x and y in pixels from the upper left, float64 [T, J, 2]; None for masks.
        visible: Which points were found, bool [T, J]; the others are at (-1, -1).
        palette: Colours of the ids, uint8 [256, 3].
        cancelled: Whether the run was stopped, so that frames are missing at the end.
    """

    frames: Frames
    masks: NDArray[np.uint8] | None = None
    points: NDArray[np.float64] | None = None
    visible: NDArray[np.bool_] | None = None
    palette: NDArray[np.uint8] | None = None
    cancelled: bool = False

    def __len__(self) -> int:
        labels = self.points if self.masks is None else self.masks
        return 0 if labels is None else len(labels)

    def overlay(self, index: int) -> NDArray[np.uint8]:
        """Draw the labels of a frame on it, RGB, uint8 in 0..255, [H, W, 3].

        Raises:
            IndexError: If there is no such frame, or it was not done.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f'there are labels of {len(self)} frames, not of {index}')
        index %= len(self)
        if self.masks is not None:
            palette = object_palette() if self.palette is None else self.palette
            return overlay_masks(self.frames[index], self.masks[index], palette)
        assert self.points is not None
        assert self.visible is not None
        return overlay_pose(self.frames[index], self.points[index], self.visible[index])

    def save_masks(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write the masks as palette PNGs, ``00000.png`` and so on.

        Those of an earlier call are replaced, and removed where they are more.

        Args:
            folder: Made if there is none.

        Returns:
            The files.

        Raises:
            NotADirectoryError: If the folder is a file.
            ValueError: If there are points and no masks, or the folder holds pictures
                that this did not write, such as frames and annotations.
        """
        if self.masks is None:
            raise ValueError('points were propagated, there are no masks to save')
        return fill_mask_folder(folder, self.masks, self.palette)

    def save_clip(self, stem: str | os.PathLike[str], fps: float = 12.0) -> Path:
        """Write the frames with their labels as a clip.

        Args:
            stem: Path without suffix; an MP4, or a GIF where PyAV is missing.
            fps: Frames a second, 0.001 to 1000.

        Returns:
            The file.

        Raises:
            ValueError: If the file is the one that the frames come from, or ``fps`` is
                out of range.
        """
        file = clip_path(Path(stem))
        refuse_inputs([file], self.frames.files, 'save the clip under another name')
        writer = ClipWriter(Path(stem), len(self), fps)
        for index in range(len(self)):
            writer.add(self.overlay(index))
        return writer.close()
