"""Whatever a caller has as a video, as a sequence of pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Union

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from .network_frames import decode_frame
from .sources import UnreadableVideoError, VideoFiles
from .sources.images import IMAGE_SUFFIXES, image_names

__all__ = ['Frames', 'Video', 'open_video', 'to_tensor']

Picture = NDArray[np.uint8]
#: A file or folder; or the frames, as files, arrays, Pillow's images or one array.
Video = Union[str, os.PathLike[str], Sequence[Any], NDArray[np.uint8], Tensor, 'Frames']

CHUNK = 16  # frames of a video file that are decoded at once, if they are small
CHUNK_BYTES = 2**27  # of more memory only single frames


class Frames(Sequence[Picture]):
    """The frames of a video, RGB, uint8 in 0..255, [H, W, 3], decoded when asked for.

    Args:
        name: Name of the video.
        read: Decodes frame ``index``.
        indices: The frames to take, in order.
        files: The files that they come from, all of a folder; none for arrays.

    Attributes:
        size: Height and width in pixels.

    Raises:
        ValueError: If there is no frame.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[int], Picture],
        indices: Sequence[int],
        files: Sequence[Path] = (),
    ) -> None:
        if not len(indices):
            raise ValueError(f"'{name}' has no frames, or none of them was asked for")
        self.name = name
        self.indices = tuple(indices)
        self.files = tuple(files)
        self._read = read
        first = self[0]
        self.size = (first.shape[0], first.shape[1])

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> Any:
        """Decode one frame; a slice is such a sequence again.

        Raises:
            IndexError: If there is no such frame.
            FileNotFoundError: If its file is not there.
            ValueError: If the frame cannot be read, differs from the first in size, or
                the slice has none.
        """
        if isinstance(index, slice):
            return Frames(self.name, self._read, self.indices[index], self.files)
        picture = self._read(self.indices[index])
        size = getattr(self, 'size', picture.shape[:2])
        if picture.shape[:2] != size:
            raise ValueError(
                f"frame {self.indices[index]} of '{self.name}' is {_by(picture.shape)} "
                f'pixels, but the first is {_by(size)}; all frames must have one size'
            )
        return picture


def open_video(video: Video, frames: slice | Sequence[int] | None = None) -> Frames:
    """Open a video of any kind.

    Args:
        video: A video file, a folder of pictures (in natural order of their names), a
            picture; a list of pictures as files, arrays [H, W, 3] or Pillow's images; an
            array [T, H, W, 3] or a tensor [T, 3, H, W]. All uint8, RGB.
        frames: Which frames to take, a slice or their numbers; None for all.

    Returns:
        The frames, decoded when they are asked for.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If it is no video, cannot be decoded, or has no such frames.
    """
    if isinstance(video, Frames):
        name, read, count = video.name, video.__getitem__, len(video)
    elif isinstance(video, str | os.PathLike):
        name, read, count = _open_path(Path(video))
    elif isinstance(video, np.ndarray | Tensor):
        name, read, count = _open_array(video)
    elif isinstance(video, Sequence):
        pictures = list(video)
        name, count = 'frames', len(pictures)

        def read(index: int) -> Picture:
            return _read_item(pictures[index], index)
    else:
        raise ValueError(f'a video cannot be a {type(video).__name__}; see open_video')
    return Frames(name, read, _choose(frames, count, name), _files(video))


def _files(video: Video) -> tuple[Path, ...]:
    """The files of what :func:`open_video` takes."""
    if isinstance(video, Frames):
        return video.files
    if isinstance(video, str | os.PathLike):
        path = Path(video)
        return tuple(path.iterdir()) if path.is_dir() else (path,)
    if isinstance(video, np.ndarray | Tensor):
        return ()
    return tuple(Path(item) for item in video if isinstance(item, str | os.PathLike))


def _choose(frames: slice | Sequence[int] | None, count: int, name: str) -> Sequence[int]:
    """Number the frames to take."""
    if frames is None or isinstance(frames, slice):
        return range(count)[frames or slice(None)]
    if not isinstance(frames, Sequence | np.ndarray) or not all(
        isinstance(index, int | np.integer) and not isinstance(index, bool)
        for index in frames
    ):
        raise ValueError(
            f'frames must be a slice or a sequence of numbers of frames, got {frames!r}'
        )
    wrong = [index for index in frames if not -count <= index < count]
    if wrong:
        raise ValueError(
            f"'{name}' has the frames 0 to {count - 1}, but {wrong[:5]} were asked for"
        )
    return [index % count for index in frames]


def _open_path(path: Path) -> tuple[str, Callable[[int], Picture], int]:
    if not path.exists():
        raise FileNotFoundError(f"there is no file or folder '{path}'")
    if path.is_dir():
        names = image_names((each.name for each in path.iterdir()), IMAGE_SUFFIXES)
        if not names:
            raise ValueError(
                f"the folder '{path}' has no picture ({', '.join(IMAGE_SUFFIXES)})"
            )
        return path.name, lambda index: _read_picture(path / names[index]), len(names)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return path.stem, lambda index: _read_picture(path), 1
    source = VideoFiles(paths=[str(path)])
    try:
        record = source.probe(str(path), path.name)
    except UnreadableVideoError as error:
        raise ValueError(
            f"'{path}' is no video that can be read: {error.reason}"
        ) from error
    chunk: dict[int, Picture] = {}
    length = 1  # until it is known how large a frame is

    def read(index: int) -> Picture:
        nonlocal length
        # Opening the file costs more than decoding a frame.
        if index not in chunk:
            following = range(index, min(index + length, record.num_frames))
            chunk.clear()
            try:
                chunk.update(zip(following, source.read(record, following), strict=True))
            except UnreadableVideoError as error:
                raise ValueError(str(error)) from error
            length = max(1, min(CHUNK, CHUNK_BYTES // chunk[index].nbytes))
        return chunk[index]

    return path.stem, read, record.num_frames


def _open_array(video: Any) -> tuple[str, Callable[[int], Picture], int]:
    tensor = isinstance(video, Tensor)
    shape = '[T, 3, H, W]' if tensor else '[T, H, W, 3]'
    colours = 1 if tensor else 3
    if video.ndim != 4 or video.shape[colours] != 3:
        raise ValueError(
            f'a video as {"a tensor" if tensor else "an array"} must be {shape}, got '
            f'{list(video.shape)}'
        )
    if tensor:
        video = video.permute(0, 2, 3, 1).cpu().numpy()
    return 'frames', lambda index: _check_picture(video[index], index), len(video)


def _read_item(item: Any, index: int) -> Picture:
    """Make a picture of one entry of a list."""
    if isinstance(item, str | os.PathLike):
        if not Path(item).is_file():
            raise FileNotFoundError(f"there is no file '{item}' (frame {index})")
        return _read_picture(Path(item))
    if isinstance(item, Image.Image):
        return np.asarray(item.convert('RGB'))
    if isinstance(item, Tensor):
        raise ValueError('give a list of tensors as one: torch.stack(frames)')
    return _check_picture(np.asarray(item), index)


def _check_picture(picture: NDArray[Any], index: int) -> Picture:
    if picture.dtype != np.uint8:
        raise ValueError(
            f'frame {index} is {picture.dtype}; frames must be uint8 in 0..255: for '
            'values in 0..1, (255 * frames).round().astype(numpy.uint8)'
        )
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(f'frame {index} must be [H, W, 3], got {list(picture.shape)}')
    return np.ascontiguousarray(picture)


def _read_picture(path: Path) -> Picture:
    """Decode a file as the evaluation does, without the camera's orientation."""
    try:
        return decode_frame(str(path))
    except UnreadableVideoError as error:
        raise ValueError(
            f"'{path}' is no picture that can be read: {error.reason}"
        ) from error


def _by(size: Sequence[int]) -> str:
    """Width by height, as people say it."""
    return f'{size[1]} x {size[0]}'


def to_tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """Turn pictures [..., H, W, 3] into a tensor [..., 3, H, W] of the same numbers."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(pictures, -1, -3)))
