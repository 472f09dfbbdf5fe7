"""Pictures in motion: MP4 where OpenCV can write it, else an animated GIF."""

from __future__ import annotations

import functools
import logging
import tempfile
from pathlib import Path

import cv2
import numpy as np
from mmengine.logging import print_log
from numpy.typing import NDArray
from PIL import Image

__all__ = ['ClipWriter', 'mp4_works']

CODEC = 'mp4v'  # MPEG-4 part 2: OpenCV's wheels can write it, H.264 they cannot
MP4_SIDE = 1280  # pixels at most
GIF_SIDE = 400
GIF_FRAMES = 60


@functools.cache
def mp4_works() -> bool:
    """Whether this OpenCV writes MP4 files that it can read again; tried once."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, 'trial.mp4'))
        writer = _mp4_writer(path, 10.0, (64, 48))
        for level in (0, 128, 255):
            writer.write(np.full((48, 64, 3), level, np.uint8))
        writer.release()
        capture = cv2.VideoCapture(path)
        frames = 0
        while capture.read()[0]:
            frames += 1
        capture.release()
    if frames != 3:
        print_log(
            'This OpenCV cannot write MP4 files; clips become animated GIFs',
            'current',
            logging.WARNING,
        )
    return frames == 3


class ClipWriter:
    """Writes a clip frame by frame.

    Frames are made smaller, never larger: to ``MP4_SIDE`` pixels on their long side, in
    a GIF to ``GIF_SIDE``. A GIF has ``GIF_FRAMES`` frames at most: of longer clips every
    second, third and so on, shown for as much longer.

    Args:
        stem: Path to write without its suffix.
        frames: Number of frames that will come.
        fps: Frames a second.
        mp4: Whether to write MP4 rather than GIF; by default if that works.

    Raises:
        ValueError: ``fps`` is not positive.
    """

    def __init__(
        self, stem: str | Path, frames: int, fps: float = 12.0, mp4: bool | None = None
    ) -> None:
        if fps <= 0:
            raise ValueError(f'fps must be positive, got {fps}')
        self.mp4 = mp4_works() if mp4 is None else mp4
        self.path = Path(f'{stem}.mp4' if self.mp4 else f'{stem}.gif')
        self.fps = fps
        self._every = 1 if self.mp4 else -(-frames // GIF_FRAMES)
        self._count = 0
        self._size: tuple[int, int] | None = None
        self._writer: cv2.VideoWriter | None = None
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
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = _mp4_writer(str(self.path), self.fps, self._size)
        self._writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))

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
            self._writer.release()
            return self.path
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._pictures[0].save(
            self.path,
            save_all=True,
            append_images=self._pictures[1:],
            duration=round(1000 * self._every / self.fps),  # milliseconds
            loop=0,
        )
        return self.path


def _mp4_writer(path: str, fps: float, size: tuple[int, int]) -> cv2.VideoWriter:
    """Open a file for frames of a width and height."""
    code = cv2.VideoWriter.fourcc(*CODEC)
    return cv2.VideoWriter(path, code, fps, size)


def _clip_size(frame: NDArray[np.uint8], mp4: bool) -> tuple[int, int]:
    """Width and height of a clip whose frames are like this one."""
    height, width = frame.shape[:2]
    scale = min(1.0, (MP4_SIDE if mp4 else GIF_SIDE) / max(height, width))
    step = 2 if mp4 else 1  # the codec wants even sides
    sides = [max(step, round(side * scale / step) * step) for side in (width, height)]
    return sides[0], sides[1]
