"""Frames packed in few large files: tar archives (WebDataset) or an LMDB."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.fileio import get_file_backend
from numpy.typing import NDArray

from videomac.registry import DATASETS

from .base import FrameSource, VideoRecord
from .diagnosis import UnreadableVideoError
from .encoded import EncodedFrames
from .images import IMAGE_SUFFIXES, check_suffixes, image_names, natural_key
from .tar_backend import entry_name

__all__ = ['PackedFrames']


@DATASETS.register_module()
class PackedFrames(FrameSource):
    """Videos in a store that ``tools/pack_frames.py`` or WebDataset has written.

    A frame has the name ``<video>/<frame>.jpg``, with any number of folders. Frames at
    the top of a store make one video. mmengine's storage backends read the bytes.

    Args:
        data_root: A ``.tar`` file, a folder with ``.tar`` files (uncompressed), or the
            folder of an LMDB. What it is, is found out.
        suffixes: Suffixes of frames, in any case; other entries are passed over.

    Raises:
        TypeError: ``suffixes`` is a string.
        ValueError: ``suffixes`` is empty or lacks a leading dot.
    """

    def __init__(self, data_root: str, suffixes: Sequence[str] = IMAGE_SUFFIXES) -> None:
        self.data_root = os.fspath(data_root)
        self.suffixes = check_suffixes(suffixes)
        self._backend: Any = None
        self._process = -1
        self._keys: dict[str, str] = {}  # of an LMDB, where they are not the names

    def scan(self) -> list[VideoRecord]:
        """Read the names of all frames; see :meth:`FrameSource.scan`.

        Raises:
            FileNotFoundError: There is no store at ``data_root``.
            ImportError: It is an LMDB, and lmdb is not installed.
            ValueError: It holds no frame, or cannot be read.
        """
        videos: dict[str, list[str]] = {}
        for name in self._names():
            folder, frame = os.path.split(name)
            videos.setdefault(folder, []).append(frame)
        records = []
        for folder, files in videos.items():
            frames = image_names(files, self.suffixes)
            if frames:
                name = folder or Path(self.data_root).stem
                path = os.path.join(self.data_root, folder)
                records.append(VideoRecord(name, len(frames), path, frames))
        if not records:
            raise ValueError(
                f'the store {self.data_root!r} holds no entry ending in '
                f'{", ".join(self.suffixes)}; expected <video>/<frame>.jpg. Pack the '
                'frames with tools/pack_frames.py'
            )
        return sorted(records, key=lambda video: natural_key(video.name))

    @property
    def _is_lmdb(self) -> bool:
        return os.path.isfile(os.path.join(self.data_root, 'data.mdb'))

    def _names(self) -> list[str]:
        """Names of all entries of the store."""
        if not self._is_lmdb:
            return list(self._open().names())
        try:
            import lmdb
        except ImportError as error:
            raise ImportError(
                f'{self.data_root!r} is an LMDB; reading it needs lmdb: pip install lmdb'
            ) from error
        # Closed again, since an open one must not live through the fork of a worker.
        with (
            lmdb.open(self.data_root, readonly=True, lock=False) as store,
            store.begin() as transaction,
            transaction.cursor() as cursor,
        ):
            keys = [key.decode() for key in cursor.iternext(keys=True, values=False)]
        found: dict[str, str] = {}
        for key in keys:
            first = found.setdefault(entry_name(key), key)
            if first != key:
                raise ValueError(
                    f'the LMDB {self.data_root!r} has the keys {first!r} and {key!r} for '
                    'one frame; pack the frames anew'
                )
        self._keys = {name: key for name, key in found.items() if name != key}
        return list(found)

    def _open(self) -> Any:
        """The backend of this process.

        Raises:
            FileNotFoundError: There is no store at ``data_root``.
        """
        if self._is_lmdb:
            if self._process != os.getpid():
                args = dict(backend='lmdb', db_path=self.data_root)
                self._backend = get_file_backend(backend_args=args)
                self._process = os.getpid()
            return self._backend
        if self._backend is None:
            args = dict(backend='tar', data_root=self.data_root)
            try:
                self._backend = get_file_backend(backend_args=args)
            except FileNotFoundError as error:
                raise FileNotFoundError(
                    f'data_root {self.data_root!r} is neither a .tar file, nor a folder '
                    'with .tar files, nor an LMDB (data.mdb). Set '
                    'train_dataloader.dataset.source.data_root to what '
                    'tools/pack_frames.py wrote'
                ) from error
        return self._backend

    def fetch(self, video: VideoRecord, indices: Sequence[int]) -> EncodedFrames:
        """Read frames without decoding them; see :meth:`FrameSource.fetch`.

        Raises:
            FileNotFoundError: There is no store at ``data_root``.
            UnreadableVideoError: A frame is not in the store, or cannot be read.
        """
        backend = self._open()
        paths = [os.path.join(video.path, video.frames[i]) for i in indices]
        files = []
        for path in paths:
            name = os.path.relpath(path, self.data_root)
            try:
                content = backend.get(self._keys.get(name, name))
            except OSError as error:
                raise UnreadableVideoError(path, str(error)) from error
            if content is None:
                raise UnreadableVideoError(path, 'the store has no such entry any more')
            files.append(content)
        return EncodedFrames(paths, files)

    def read(self, video: VideoRecord, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Decode frames ``[T, H, W, 3]``; see :meth:`FrameSource.read`."""
        frames = self.fetch(video, indices).decode().permute(0, 2, 3, 1)
        return np.ascontiguousarray(frames.numpy())

    def __getstate__(self) -> dict[str, Any]:
        keeps = not self._is_lmdb  # an open LMDB cannot be sent to another process
        return {
            **vars(self),
            '_backend': self._backend if keeps else None,
            '_process': -1,
        }
