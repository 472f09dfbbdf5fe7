"""Videos as folders of JPEG frames."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .members import DamagedMemberError

__all__ = ['FrameOptions', 'extract_frames', 'folder_digest']


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

    Args:
        video: The video file.
        folder: An empty folder.
        options: Size and quality of the frames.

    Returns:
        Number of frames.

    Raises:
        DamagedMemberError: The video has no frames or cannot be decoded to its end.
        ImportError: decord is not installed.
        OSError: A frame cannot be written.
    """
    decord = _import_decord()
    try:
        reader = decord.VideoReader(os.fspath(video), num_threads=1)
        number = len(reader)
    except (decord.DECORDError, RuntimeError) as error:
        raise DamagedMemberError(f'cannot be decoded ({_reason(error)})') from error
    if not number:
        raise DamagedMemberError('has no frames')
    for index in range(number):
        try:
            frame: NDArray[np.uint8] = reader[index].asnumpy()
        except (decord.DECORDError, RuntimeError) as error:
            raise DamagedMemberError(
                f'cannot be decoded from frame {index} of {number} on ({_reason(error)})'
            ) from error
        (folder / f'{index:05d}.jpg').write_bytes(_encode(frame, options))
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


def _import_decord() -> Any:
    try:
        import decord
    except ImportError as error:
        raise ImportError(
            f'decoding videos needs decord, which cannot be imported ({error}). '
            'Install it: pip install decord'
        ) from error
    return decord


def _reason(error: Exception) -> str:
    """What a decord error says, without its place in C++ and the stack trace."""
    line = (str(error).splitlines() or [repr(error)])[0]
    return re.sub(r'^(\[[^]]*\] )?\S+\.cc:\d+: (\[[^]]*\] )?', '', line)
