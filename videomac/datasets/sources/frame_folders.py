"""Videos as folders of image files."""

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from videomac.registry import DATASETS

from .base import FrameSource, VideoRecord
from .images import (
    IMAGE_SUFFIXES,
    check_suffixes,
    image_names,
    natural_key,
    read_images,
    walk_files,
)

__all__ = ['FrameFolders']


@DATASETS.register_module()
class FrameFolders(FrameSource):
    """Every folder that directly holds image files is a video.

    The folders are found at any depth, so both ``root/video/frame.jpg`` and Kinetics
    as frames, ``root/class/video/frame.jpg``, work. Frames are put in natural order
    (``frame_2`` before ``frame_10``). Hidden files and folders are passed over.

    Args:
        data_root: Folder to look in, recursively and through links.
        suffixes: Suffixes of frame files, in any case.

    Raises:
        TypeError: ``suffixes`` is a string.
        ValueError: ``suffixes`` is empty or lacks a leading dot.
    """

    def __init__(self, data_root: str, suffixes: Sequence[str] = IMAGE_SUFFIXES) -> None:
        self.data_root = os.fspath(data_root)
        self.suffixes = check_suffixes(suffixes)

    def scan(self) -> list[VideoRecord]:
        """Find all folders with frames; see :meth:`FrameSource.scan`.

        Returns:
            The videos, named by their path below ``data_root``, in natural order.

        Raises:
            FileNotFoundError: ``data_root`` is not a folder.
            ValueError: No folder below it holds image files.
        """
        if not os.path.isdir(self.data_root):
            raise FileNotFoundError(
                f'data_root {self.data_root!r} is not a folder; expected a folder with '
                'one folder of frames per video (at any depth). Set '
                'train_dataloader.dataset.source.data_root to where the videos are'
            )
        # Most videos of a data set have the same frame names: share one tuple of them.
        shared: dict[tuple[str, ...], tuple[str, ...]] = {}
        videos = []
        for folder, files in walk_files(self.data_root):
            frames = image_names(files, self.suffixes)
            if frames:
                frames = shared.setdefault(frames, frames)
                videos.append(self._record(folder, frames))
        if not videos:
            raise ValueError(
                f'no folder below data_root {self.data_root!r} holds files ending in '
                f'{", ".join(self.suffixes)}; expected folders of frames. Check '
                'data_root and suffixes; for video files use VideoFiles'
            )
        return sorted(videos, key=lambda video: natural_key(video.name))

    def _record(self, folder: str, frames: tuple[str, ...]) -> VideoRecord:
        """Describe a folder that holds ``frames``."""
        name = os.path.relpath(folder, self.data_root).replace(os.sep, '/')
        if name == '.':  # data_root itself is the video
            name = os.path.basename(os.path.abspath(folder))
        return VideoRecord(name, len(frames), folder, frames)

    def read(self, video: VideoRecord, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Decode frames ``[T, H, W, 3]``; see :meth:`FrameSource.read`."""
        return read_images([os.path.join(video.path, video.frames[i]) for i in indices])
