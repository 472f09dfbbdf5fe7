"""What every source of frames is: a list of videos and a way to read frames of one."""

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .av_reader import FrameTimes
from .encoded import EncodedFrames

__all__ = ['FrameSource', 'VideoRecord']


@dataclass(frozen=True, slots=True)
class VideoRecord:
    """One video that a source has found.

    Args:
        name: Name of the video, unique within its source.
        num_frames: Number of frames, at least 1.
        path: The video file, or the folder that holds the frames.
        frames: File names of the frames below ``path``, in order of time; empty
            when ``path`` is a video file.
        times: Where the frames of a video file are, if that is known.
    """

    name: str
    num_frames: int
    path: str
    frames: tuple[str, ...] = ()
    times: FrameTimes | None = field(default=None, compare=False, repr=False)


class FrameSource(ABC):
    """A collection of videos whose frames can be read by index."""

    @abstractmethod
    def scan(self) -> list[VideoRecord]:
        """Find all videos.

        Returns:
            The videos in an order that is the same on every machine and in every run.

        Raises:
            FileNotFoundError: The place to look in does not exist.
            ValueError: It holds no video.
        """

    @abstractmethod
    def read(self, video: VideoRecord, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Decode some frames of one video.

        Args:
            video: A video from :meth:`scan`.
            indices: T frame numbers in ``[0, video.num_frames)``.

        Returns:
            The frames as writable RGB array ``[T, H, W, 3]``, uint8 in 0..255.

        Raises:
            UnreadableVideoError: A frame is missing, cannot be decoded, or differs in
                size from the others.
        """

    def fetch(self, video: VideoRecord, indices: Sequence[int]) -> EncodedFrames | None:
        """Read some frames of one video without decoding them, where that can be done.

        A transform that takes a part of the frames then decodes no more than it needs.
        Here it can be done for videos with ``frames``, which are image files; a source
        that keeps them otherwise has its own.

        Args:
            video: A video from :meth:`scan`.
            indices: T frame numbers in ``[0, video.num_frames)``.

        Returns:
            The frames, or None where only :meth:`read` will do.

        Raises:
            UnreadableVideoError: A frame is missing, cannot be decoded, or differs in
                size from the others.
        """
        if not video.frames:
            return None
        return EncodedFrames.from_disk(
            [os.path.join(video.path, video.frames[i]) for i in indices]
        )
