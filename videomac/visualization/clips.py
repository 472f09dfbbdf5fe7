"""Pictures in motion: MP4 that browsers play, or an animated GIF without PyAV."""

from __future__ import annotations

import functools
import logging
import os
import tempfile
import weakref
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.logging import print_log
from numpy.typing import NDArray
from PIL import Image

__all__ = ['ClipWriter', 'check_fps', 'clip_path', 'mp4_works']

CODEC = 'libx264'  # H.264, which every browser plays; comes with PyAV's wheels
PIXELS = 'yuv420p'  # players refuse H.264 with more colours than this
BT601 = 6  # the matrix of these colours, as FFmpeg counts; written into the file
QUALITY = 20  # constant rate factor: 0 is lossless, 23 the codec's default, 51 worst
MP4_SIDE = 1280  # pixels at most
GIF_SIDE = 400
GIF_FRAMES = 60
GIF_LONGEST = 655_350  # milliseconds that a frame can be shown
SLOWEST, FASTEST = 0.001, 1000.0  # frames a second


@functools.cache
def mp4_works() -> bool:
    """Whether PyAV can write MP4 files; if it cannot, this is said once."""
    reason = _obstacle()
    if reason is not None:
        text = f'{reason}; clips become animated GIFs, small and short'
        print_log(text, 'current', logging.WARNING)
    return reason is None


def _obstacle() -> str | None:
    """Why no MP4 file can be written, with what to do; None if it can."""
    try:
        import av
    except ImportError as error:
        return f'MP4 files need PyAV (pip install av): {error}'
    if CODEC not in av.codecs_available:
        return f'this PyAV has no {CODEC}; the wheels have it: pip install av'
    return None


def check_fps(fps: float) -> None:
    """Check the speed of a clip.

    Args:
        fps: Frames a second.

    Raises:
        ValueError: It is not within ``SLOWEST`` and ``FASTEST``.
    """
    if not SLOWEST <= fps <= FASTEST:  # nor is what is no number
        raise ValueError(
            f'fps must be {SLOWEST:g} to {FASTEST:g} frames a second, got {fps:g}'
        )


def clip_path(stem: str | Path, mp4: bool | None = None) -> Path:
    """The file of a clip, MP4 or GIF, by default what works; see :class:`ClipWriter`."""
    mp4 = mp4_works() if mp4 is None else mp4
    return Path(f'{stem}.mp4' if mp4 else f'{stem}.gif')


class ClipWriter:
    """Writes a clip frame by frame.

    The file is there as a whole or not at all: an older one of the same name stays until
    the clip is closed, and may be what the frames are read from.

    MP4 is H.264 in yuv420p. Frames are made smaller, never larger (but that MP4 wants
    even sides): to ``MP4_SIDE`` pixels on their long side, in a GIF to ``GIF_SIDE``. A
    GIF has ``GIF_FRAMES`` frames at most: of longer clips every second, third and so
    on, shown for as much longer.

    Args:
        stem: Path to write without its suffix.
        frames: Number of frames that will come.
        fps: Frames a second.
        mp4: Whether to write MP4 rather than GIF; by default if that works.

    Raises:
        ValueError: ``fps`` is out of range, see :func:`check_fps`.
        ImportError: ``mp4`` is true and PyAV cannot write it.
    """

    def __init__(
        self, stem: str | Path, frames: int, fps: float = 12.0, mp4: bool | None = None
    ) -> None:
        check_fps(fps)
        self.mp4 = mp4_works() if mp4 is None else mp4
        reason = _obstacle() if mp4 else None
        if reason is not None:
            raise ImportError(f'{reason}. Or write a GIF')
        self.path = clip_path(stem, self.mp4)
        self.fps = fps
        self._every = 1 if self.mp4 else -(-frames // GIF_FRAMES)
        self._count = 0
        self._size: tuple[int, int] | None = None
        self._partial: Path | None = None
        self._writer: _Mp4File | None = None
        self._pictures: list[Image.Image] = []

    def add(self, frame: NDArray[np.uint8]) -> None:
        """Add a frame, RGB, uint8 in 0..255, shape [H, W, 3]; the first sets the size."""
        if self._size is None:
            self._size = _clip_size(frame, self.mp4)
        wanted = self._count % self._every == 0
        self._count += 1
        if not wanted:
            return
        if frame.shape[1::-1] != self._size:
            smaller = cv2.resize(frame, self._size, interpolation=cv2.INTER_AREA)
            frame = np.asarray(smaller, np.uint8)
        if not self.mp4:
            # Colours of its own for each frame, quantised now to keep memory small.
            self._pictures.append(Image.fromarray(frame).quantize(256))
            return
        if self._writer is None:
            self._writer = _Mp4File(self._start(), self.fps, self._size)
        self._writer.add(frame)

    def close(self) -> Path:
        """Finish the file.

        Returns:
            Its path.

        Raises:
            ValueError: No frame was added.
        """
        if not self._count:
            raise ValueError(f"'{self.path}': a clip needs at least one frame")
        if self._writer is not None:
            self._writer.close()
        else:
            duration = round(1000 * self._every / self.fps)  # milliseconds
            self._pictures[0].save(
                self._start(),
                save_all=True,
                append_images=self._pictures[1:],
                # Frames that are alike become one, with the time of all of them.
                duration=min(duration, GIF_LONGEST // len(self._pictures)),
                loop=0,
            )
        assert self._partial is not None
        os.chmod(self._partial, 0o644)  # mkstemp lets the owner alone read it
        os.replace(self._partial, self.path)
        return self.path

    def _start(self) -> Path:
        """Make the file to write to, which goes with the writer if it is not finished."""
        folder = self.path.parent
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(self.path.suffix, '.partial-', folder)
        os.close(handle)
        self._partial = Path(name)
        weakref.finalize(self, _remove, self._partial)
        return self._partial


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


class _Mp4File:
    """An MP4 file that is being written."""

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        import av

        # The index at the front: a page may play what it has of the file.
        self._file = av.open(str(path), 'w', options={'movflags': 'faststart'})
        rate = Fraction(fps).limit_denominator(1000)
        stream: Any = self._file.add_stream(CODEC, rate, options={'crf': str(QUALITY)})
        stream.width, stream.height = size
        stream.pix_fmt = PIXELS
        # Without it players guess, and large clips come out in other colours.
        stream.codec_context.colorspace = BT601
        self._stream = stream

    def add(self, frame: NDArray[np.uint8]) -> None:
        """Encode a frame of the file's size."""
        import av

        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), 'rgb24')
        for packet in self._stream.encode(picture):
            self._file.mux(packet)

    def close(self) -> None:
        """Write what the encoder still holds."""
        for packet in self._stream.encode():
            self._file.mux(packet)
        self._file.close()


def _clip_size(frame: NDArray[np.uint8], mp4: bool) -> tuple[int, int]:
    """Width and height of a clip whose frames are like this one."""
    height, width = frame.shape[:2]
    scale = min(1.0, (MP4_SIDE if mp4 else GIF_SIDE) / max(height, width))
    step = 2 if mp4 else 1  # half as many colours as pixels, in both directions
    sides = [max(step, round(side * scale / step) * step) for side in (width, height)]
    return sides[0], sides[1]
