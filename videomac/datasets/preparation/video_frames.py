"""Videos as folders of JPEG frames."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from videomac.datasets.sources import UnreadableVideoError, av_reader, decord_reader

from .members import DamagedMemberError
from .names import is_junk

__all__ = ['FrameOptions', 'extract_frames', 'folder_digest', 'holds_only_frames']

_FRAME = re.compile(r'\d{5,}\.jpg')


@dataclass(frozen=True, slots=True)
class FrameOptions:
    """How frames are stored.

    Args:
        short_side: Pixels that frames with a longer short side are reduced to; None to
            keep their size.
        quality: JPEG quality, 1 to 100.
    """

    short_side: int | None = None
    quality: int = 95

    def __post_init__(self) -> None:
        if self.short_side is not None and self.short_side < 1:
            raise ValueError(f'the short side must be 1 or more, got {self.short_side}')
        if not 1 <= self.quality <= 100:
            raise ValueError(f'the JPEG quality must be 1 to 100, got {self.quality}')

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the stored frame; frames are never enlarged."""
        short = min(height, width)
        if self.short_side is None or short <= self.short_side:
            return height, width
        scale = self.short_side / short
        return max(1, round(height * scale)), max(1, round(width * scale))


def extract_frames(
    video: str | os.PathLike[str], folder: Path, options: FrameOptions
) -> int:
    """Decode a video into ``00000.jpg``, ``00001.jpg`` and so on.

    PyAV decodes it, and decord where that is not installed.

    Args:
        video: The video file.
        folder: An empty folder.
        options: Size and quality of the frames.

    Returns:
        Number of frames.

    Raises:
        DamagedMemberError: The video has no frames, cannot be decoded to its end, or is
            one that only PyAV decodes right.
        ImportError: Neither PyAV nor decord is installed.
        OSError: A frame cannot be written.
    """
    reader = av_reader if av_reader.can_decode() else decord_reader
    number = 0
    try:
        for frame in reader.decode_all(os.fspath(video)):
            (folder / f'{number:05d}.jpg').write_bytes(_encode(frame, options))
            number += 1
    except UnreadableVideoError as error:
        raise DamagedMemberError(error.reason) from error
    if not number:
        raise DamagedMemberError('has no frames')
    return number


def _encode(frame: NDArray[np.uint8], options: FrameOptions) -> bytes:
    """Make a JPEG of an RGB frame ``[H, W, 3]``."""
    height, width = options.size(*frame.shape[:2])
    if (height, width) != frame.shape[:2]:
        resized = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
        frame = np.asarray(resized, np.uint8)
    flags = [cv2.IMWRITE_JPEG_QUALITY, options.quality]
    encoded, content = cv2.imencode('.jpg', frame[..., ::-1], flags)
    if not encoded:
        raise ValueError(f'OpenCV cannot encode a frame of {width}x{height} pixels')
    return bytes(content)


def holds_only_frames(path: Path) -> bool:
    """Whether all in a folder is named as :func:`extract_frames` does, or junk.

    Not so what is no folder, and a folder with another one in it.
    """
    return path.is_dir() and all(
        item.is_file() and (_FRAME.fullmatch(item.name) or is_junk(item.name))
        for item in path.iterdir()
    )


def folder_digest(folder: Path) -> tuple[int, int, str]:
    """Number, bytes and SHA-256 of the files that a folder holds directly.

    The hash is that of the lines ``<sha256>  <name>`` in the order of the names, as
    ``sha256sum * | sha256sum`` prints it in the C locale.
    """
    lines, size = hashlib.sha256(), 0
    files = sorted(path for path in folder.iterdir() if path.is_file())
    for path in files:
        content = path.read_bytes()
        size += len(content)
        lines.update(f'{hashlib.sha256(content).hexdigest()}  {path.name}\n'.encode())
    return len(files), size, lines.hexdigest()
