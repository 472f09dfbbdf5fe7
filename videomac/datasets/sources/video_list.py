"""Videos named by a text file."""

import os
from collections.abc import Iterator, Sequence
from logging import WARNING

import numpy as np
from mmengine.logging import print_log
from numpy.typing import NDArray

from videomac.registry import DATASETS

from ..lists import leaves, read_lines
from .base import FrameSource, VideoRecord
from .diagnosis import UnreadableVideoError
from .images import IMAGE_SUFFIXES, image_names, read_images
from .video_files import VideoFiles

__all__ = ['VideoList']


@DATASETS.register_module()
class VideoList(FrameSource):
    """A text file with one video per line: a folder of frames or a video file.

    Blank lines and lines that begin with ``#`` are passed over; Windows line ends and
    a byte-order mark do no harm.

    Args:
        list_file: The text file, UTF-8.
        data_root: Folder that the lines are relative to.
        outside: Whether lines may lead out of ``data_root``, as absolute paths and
            ``..`` do; None: only where there is no ``data_root``.
    """

    def __init__(
        self, list_file: str, data_root: str = '', outside: bool | None = None
    ) -> None:
        self.list_file = os.fspath(list_file)
        self.data_root = os.fspath(data_root)
        self.outside = not self.data_root if outside is None else outside
        self._files = VideoFiles(paths=[])

    def scan(self) -> list[VideoRecord]:
        """Look up every line; see :meth:`FrameSource.scan`.

        Returns:
            The videos in the order of the file, named by their lines. Video files that
            decord cannot open are logged and left out.

        Raises:
            FileNotFoundError: The list file or a path in it does not exist.
            ValueError: The list names no video, names one twice or one outside
                ``data_root``, names a folder without frames, or none can be read.
        """
        first_line: dict[str, int] = {}
        videos = []
        for number, entry in self._entries():
            if entry in first_line:
                raise ValueError(
                    f'{self.list_file}:{number}: {entry!r} is already in line '
                    f'{first_line[entry]}; remove one of the lines'
                )
            first_line[entry] = number
            try:
                videos.append(self._look_up(number, entry))
            except UnreadableVideoError as error:
                print_log(
                    f'{self.list_file}:{number}: leaving out a video: {error}',
                    'current',
                    WARNING,
                )
        if not first_line:
            raise ValueError(
                f'{self.list_file} names no video; expected one folder of frames or '
                'video file per line'
            )
        if not videos:
            raise ValueError(
                f'none of {len(first_line)} videos of {self.list_file} can be read; '
                'the warnings above say why'
            )
        return videos

    def _entries(self) -> Iterator[tuple[int, str]]:
        """Yield line numbers, from 1, and the paths they name."""
        if not os.path.isfile(self.list_file):
            raise FileNotFoundError(
                f'list_file {self.list_file!r} does not exist; expected a text file '
                'with one video per line. Correct '
                'train_dataloader.dataset.source.list_file'
            )
        for number, entry in read_lines(self.list_file):
            if not entry.startswith('#'):
                yield number, entry

    def _look_up(self, number: int, entry: str) -> VideoRecord:
        """Make the record of the video in line ``number``."""
        if leaves(entry) and not self.outside:
            raise ValueError(
                f'{self.list_file}:{number}: {entry!r} leads out of data_root '
                f'{self.data_root!r}; if you trust the list, set '
                'train_dataloader.dataset.source.outside=True'
            )
        path = os.path.join(self.data_root, entry)
        if os.path.isfile(path):
            return self._files.probe(path, entry)
        if not os.path.isdir(path):
            raise FileNotFoundError(
                f'{self.list_file}:{number}: {path!r} does not exist; expected a folder '
                'of frames or a video file, one path per line and nothing after it, '
                'relative to train_dataloader.dataset.source.data_root'
            )
        frames = image_names(os.listdir(path), IMAGE_SUFFIXES)
        if not frames:
            raise ValueError(
                f'{self.list_file}:{number}: the folder {path!r} holds no frames ('
                f'{", ".join(IMAGE_SUFFIXES)}); remove the line or add the frames'
            )
        return VideoRecord(entry, len(frames), path, frames)

    def read(self, video: VideoRecord, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Decode frames ``[T, H, W, 3]``; see :meth:`FrameSource.read`."""
        if video.frames:
            return read_images(
                [os.path.join(video.path, video.frames[i]) for i in indices]
            )
        return self._files.read(video, indices)
