"""Videos as files, decoded by decord or, faster, by PyAV."""

import os
from collections.abc import Sequence
from logging import INFO, WARNING

import numpy as np
from mmengine.logging import print_log
from numpy.typing import NDArray

from videomac.registry import DATASETS

from . import decord_reader
from .av_reader import find_frames, read_frames
from .base import FrameSource, VideoRecord
from .diagnosis import UnreadableVideoError
from .images import check_suffixes, natural_key, walk_files

__all__ = ['VIDEO_SUFFIXES', 'VideoFiles']

VIDEO_SUFFIXES = (
    *('.mp4', '.mkv', '.avi', '.webm', '.mov', '.m4v', '.mpg', '.mpeg'),
    *('.wmv', '.flv', '.3gp', '.ts', '.gif'),
)

# Opening files takes long for large collections; say every so often that it goes on.
_REPORT_EVERY = 1000


@DATASETS.register_module()
class VideoFiles(FrameSource):
    """Video files of a folder, of a list, or of both.

    Files that decord cannot open (AV1 and many GIFs) are logged and left out. Where
    PyAV is installed it decodes the frames, the same ones, with less work.

    Args:
        data_root: Folder to look in, recursively and through links, or None.
        paths: Further video files, used as they are, or None.
        suffixes: Suffixes of video files below ``data_root``, in any case.

    Raises:
        TypeError: ``paths`` or ``suffixes`` is a string.
        ValueError: Neither ``data_root`` nor ``paths`` is given, or ``suffixes`` is
            empty or lacks a leading dot.
    """

    def __init__(
        self,
        data_root: str | None = None,
        paths: Sequence[str] | None = None,
        suffixes: Sequence[str] = VIDEO_SUFFIXES,
    ) -> None:
        if data_root is None and paths is None:
            raise ValueError('VideoFiles needs data_root (a folder), paths, or both')
        if isinstance(paths, str):
            raise TypeError(f'paths must be a list of files, got the string {paths!r}')
        self.data_root = None if data_root is None else os.fspath(data_root)
        self.paths = [os.fspath(path) for path in paths or ()]
        self.suffixes = check_suffixes(suffixes)

    def scan(self) -> list[VideoRecord]:
        """Find the files and open each to count its frames.

        Returns:
            The readable videos in natural order; those below ``data_root`` are named
            by their path from there, those of ``paths`` by the path given.

        Raises:
            FileNotFoundError: ``data_root`` or one of ``paths`` does not exist.
            ValueError: There is no video file, or none that can be read.
        """
        files = self._find()
        videos: list[VideoRecord] = []
        unreadable: list[UnreadableVideoError] = []
        for done, name in enumerate(sorted(files, key=natural_key)):
            if done and done % _REPORT_EVERY == 0:
                print_log(f'opened {done} of {len(files)} video files', 'current', INFO)
            try:
                videos.append(self.probe(files[name], name))
            except UnreadableVideoError as error:
                unreadable.append(error)
                print_log(f'leaving out a video: {error}', 'current', WARNING)
        if not videos:
            raise ValueError(
                f'none of {len(files)} video files can be read (first: {unreadable[0]}). '
                'tools/dataset_converters/videos.py makes frames of all that PyAV reads, '
                'AV1 and GIF among it; or convert them to H.264'
            )
        if unreadable:
            print_log(
                f'left out {len(unreadable)} of {len(files)} video files as unreadable',
                'current',
                WARNING,
            )
        return videos

    def _find(self) -> dict[str, str]:
        """Names and paths of all files to open.

        Raises:
            FileNotFoundError: ``data_root`` or one of ``paths`` does not exist.
            ValueError: There is no video file.
        """
        missing = [path for path in self.paths if not os.path.isfile(path)]
        if missing:
            raise FileNotFoundError(
                f'{len(missing)} of {len(self.paths)} files in paths do not exist '
                f'(first: {missing[0]!r}); correct train_dataloader.dataset.source.paths'
            )
        files = {path: path for path in self.paths}
        if self.data_root is None:
            if not files:
                raise ValueError('paths is empty: name at least one video file')
            return files
        if not os.path.isdir(self.data_root):
            raise FileNotFoundError(
                f'data_root {self.data_root!r} is not a folder; expected a folder with '
                'video files (at any depth). Set '
                'train_dataloader.dataset.source.data_root to it'
            )
        for folder, names in walk_files(self.data_root):
            for name in names:
                if not name.startswith('.') and name.lower().endswith(self.suffixes):
                    path = os.path.join(folder, name)
                    relative = os.path.relpath(path, self.data_root)
                    files[relative.replace(os.sep, '/')] = path
        if not files:
            raise ValueError(
                f'data_root {self.data_root!r} holds no file ending in '
                f'{", ".join(self.suffixes)}. Check data_root and suffixes; for folders '
                'of frames use FrameFolders'
            )
        return files

    def probe(self, path: str, name: str) -> VideoRecord:
        """Count the frames of one file.

        Args:
            path: The video file.
            name: Name for the record.

        Returns:
            The record of the video.

        Raises:
            UnreadableVideoError: decord cannot open it, finds no frame in it, or gives
                wrong ones where PyAV cannot read it.
        """
        num_frames = decord_reader.count_frames(path)
        if num_frames == 0:
            raise UnreadableVideoError(path, 'has no frames')
        times = find_frames(path, num_frames)
        if times is None:
            decord_reader.check_container(path)
        # Kept for all videos of a collection, so no more than a few bytes each.
        kept = times if times is not None and times.small else None
        return VideoRecord(name, num_frames, path, times=kept)

    def read(self, video: VideoRecord, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Decode frames ``[T, H, W, 3]``; see :meth:`FrameSource.read`."""
        # Where PyAV does not know its way in a file, decord is asked.
        if os.path.isfile(video.path):
            quick = read_frames(video.path, indices, video.num_frames, video.times)
            if quick is not None:
                return quick
        return decord_reader.read_frames(video.path, indices)
