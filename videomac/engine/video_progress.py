"""Progress over the frames of videos, with the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from logging import INFO

from mmengine.logging import print_log

__all__ = ['VideoProgress']


class VideoProgress:
    """Logs how far a run is, a line now and then.

    Args:
        videos: Number of videos to do.
        frames: Number of their frames.
        every: Seconds between lines within a video.
        clock: Tells the time in seconds.
    """

    def __init__(
        self,
        videos: int,
        frames: int,
        every: float = 20.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.videos = videos
        self.frames = frames
        self.every = every
        self.clock = clock
        self.video = self.frame = 0
        self._start = self._last = clock()

    def step(self, name: str, position: int, length: int) -> None:
        """Count a frame.

        Args:
            name: Its video.
            position: Its place there, from 1.
            length: Number of the video's frames.
        """
        self.frame += 1
        self.video += position == 1
        now = self.clock()
        if position < length and now - self._last < self.every:
            return
        self._last = now
        a_frame = (now - self._start) / self.frame
        left = timedelta(seconds=round(a_frame * (self.frames - self.frame)))
        print_log(
            f'Video {self.video}/{self.videos} {name}: frame {position}/{length} '
            f'({self.frame}/{self.frames} in all), {a_frame:.3f} s a frame, ETA {left}',
            'current',
            INFO,
        )
