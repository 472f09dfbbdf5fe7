"""YouTube-VOS, official frames or the archive of every frame."""

import json
import os
from collections.abc import Sequence
from logging import WARNING

import numpy as np
from mmengine.logging import print_log
from numpy.typing import NDArray

from videomac.registry import DATASETS

from .base import FrameSource, VideoRecord
from .frame_folders import FrameFolders

__all__ = ['YouTubeVOS']


@DATASETS.register_module()
class YouTubeVOS(FrameSource):
    """Videos in the layout of YouTube-VOS: ``JPEGImages/<video>/<frame>.jpg``.

    Every frame found on disk is used, so the official archive (frames in steps of 5)
    and ``train_all_frames`` (every frame) both work. Where there is a ``meta.json``,
    only the videos it lists are used; listed videos without frames are reported once.

    Args:
        data_root: Folder that holds ``JPEGImages`` and maybe ``meta.json``.
    """

    def __init__(self, data_root: str) -> None:
        self.data_root = os.fspath(data_root)
        self._folders = FrameFolders(os.path.join(self.data_root, 'JPEGImages'))

    def scan(self) -> list[VideoRecord]:
        """Find the videos; see :meth:`FrameSource.scan`.

        Returns:
            The videos in natural order of their names.

        Raises:
            FileNotFoundError: ``data_root/JPEGImages`` is not a folder.
            ValueError: No video was found, none of those listed has frames, or
                ``meta.json`` cannot be understood.
        """
        if not os.path.isdir(self._folders.data_root):
            raise FileNotFoundError(
                f'{self._folders.data_root!r} is not a folder; expected YouTube-VOS as '
                '<data_root>/JPEGImages/<video>/<frame>.jpg. Unpack train.zip or '
                'train_all_frames.zip and set '
                'train_dataloader.dataset.source.data_root to its folder'
            )
        videos = self._folders.scan()
        listed = self._listed()
        if listed is None:
            return videos
        missing = sorted(listed - {video.name for video in videos})
        if missing:
            first = ', '.join(missing[:5])
            report = (
                f'{len(missing)} of {len(listed)} videos listed in {self._meta_file} '
                f'have no frames below {self._folders.data_root} (first: {first})'
            )
            if len(missing) == len(listed):
                raise ValueError(f'{report}; list and frames are of different data sets')
            print_log(f'{report}; going on without them', 'current', WARNING)
        return [video for video in videos if video.name in listed]

    @property
    def _meta_file(self) -> str:
        return os.path.join(self.data_root, 'meta.json')

    def _listed(self) -> set[str] | None:
        """Names of the videos in ``meta.json``, None if there is no such file."""
        if not os.path.exists(self._meta_file):
            return None
        try:
            with open(self._meta_file, encoding='utf-8-sig') as file:
                names = {str(name) for name in json.load(file)['videos']}
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(
                f'{self._meta_file} is not the meta.json of YouTube-VOS, an object with '
                f'"videos" ({error!r}). Fetch it anew, or remove it to use every video'
            ) from error
        if not names:
            raise ValueError(
                f'{self._meta_file} lists no video. Fetch it anew, or remove it to use '
                'every video'
            )
        return names

    def read(self, video: VideoRecord, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Decode frames ``[T, H, W, 3]``; see :meth:`FrameSource.read`."""
        return self._folders.read(video, indices)
