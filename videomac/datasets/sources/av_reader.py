"""Frames of video files by PyAV, decoding less than decord does.

Frames are numbered as decord numbers them, by time. Where that is in doubt nothing is
returned, and decord reads the frames.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ['FrameTimes', 'find_frames', 'read_frames']

#: Opens a file without decoding its beginning, as FFmpeg does to learn what it holds.
_UNPROBED = {'probesize': '32', 'analyzeduration': '0'}


@dataclass(frozen=True, slots=True)
class EvenTimes:
    """Multiples of a step, rounded to whole units of time as files have them.

    Attributes:
        step: Time from frame to frame.
        lead: Steps before the first frame.
        offset: Time that is added to all.
    """

    step: Fraction
    lead: int = 0
    offset: int = 0

    def __getitem__(self, index: int) -> int:
        n, d = self.step.numerator, self.step.denominator
        return self.offset + (2 * (self.lead + index) * n + d) // (2 * d)


@dataclass(frozen=True, slots=True)
class FrameTimes:
    """Where the frames of a video file are, all in the stream's unit of time.

    Attributes:
        stream: Number of the video stream in the file.
        times: When each frame is shown, ascending.
        keys: When the key frames are shown, ascending.
    """

    stream: int
    times: EvenTimes | Sequence[int]
    keys: Sequence[int]

    @property
    def small(self) -> bool:
        """Whether it takes little memory, 8 bytes a key frame."""
        return isinstance(self.times, EvenTimes)


@cache
def _pyav() -> Any:
    """PyAV, or None where it is not installed."""
    try:
        import av
    except ImportError:
        return None
    return av


def find_frames(path: str, num_frames: int) -> FrameTimes | None:
    """Look up the frames of a video file; nothing is decoded.

    Args:
        path: The video file.
        num_frames: How many frames decord has found in the file.

    Returns:
        The frames; None if PyAV is not installed, cannot read the file, or counts its
        frames differently.
    """
    av = _pyav()
    if av is None:
        return None
    try:
        with av.open(path) as container:
            return _index(container, num_frames)
    except (av.FFmpegError, ValueError, AttributeError):
        return None


def read_frames(
    path: str,
    indices: Sequence[int],
    num_frames: int,
    known: FrameTimes | None = None,
) -> NDArray[np.uint8] | None:
    """Decode some frames of a video file.

    One pass from the key frame before them on gives all frames that depend on it. Frames
    on the way that no other frame refers to are left out, which changes nothing: with
    the usual codecs those are about half of them. What was decoded is asked for as soon
    as the last frame is in the decoder, which else holds it back for later ones.

    Args:
        path: The video file.
        indices: T frame numbers.
        num_frames: How many frames decord has found in the file.
        known: What :func:`find_frames` found, which saves reading all of the file.

    Returns:
        RGB ``[T, H, W, 3]``, uint8; None if PyAV is not installed, cannot read the file,
        or counts its frames differently.
    """
    av = _pyav()
    if av is None or not all(0 <= i < num_frames for i in indices):
        return None
    # Some decoders need to be told more of the file than was known.
    ways: list[tuple[dict[str, str], FrameTimes | None]] = [({}, None)]
    if known is not None:
        ways.insert(0, (_UNPROBED, known))
    for options, times in ways:
        try:
            with av.open(path, options=options) as container:
                times = times or _index(container, num_frames)
                frames = None if times is None else _read(container, indices, times)
        except (av.FFmpegError, ValueError, IndexError, AttributeError):
            continue
        if frames is not None:
            return frames
    return None


def _index(container: Any, num_frames: int) -> FrameTimes | None:
    """Find all frames, None if they are not as many or cannot be told apart by time."""
    stream = container.streams.best('video')
    found, keys = array('q'), array('q')
    for packet in container.demux(stream):
        if not packet.size:  # marks the end
            continue
        if packet.pts is None:
            return None
        found.append(packet.pts)
        if packet.is_keyframe:
            keys.append(packet.pts)
    times, keys = sorted(found), array('q', sorted(keys))
    if len(set(times)) != num_frames or len(times) != num_frames:
        return None
    if not keys or keys[0] > times[0]:
        return None
    even = _even_times(times, stream)
    return FrameTimes(stream.index, even or array('q', times), keys)


def _even_times(times: Sequence[int], stream: Any) -> EvenTimes | None:
    """Find the step that gives exactly these times, if there is one."""
    first = times[0]
    steps = {Fraction(times[min(1, len(times) - 1)] - first)}
    if stream.average_rate and stream.time_base:
        steps.add(1 / (stream.average_rate * stream.time_base))
    for step in steps - {Fraction(0)}:
        for even in (EvenTimes(step, round(first / step)), EvenTimes(step, 0, first)):
            if all(even[i] == time for i, time in enumerate(times)):
                return even
    return None


def _read(
    container: Any, indices: Sequence[int], known: FrameTimes
) -> NDArray[np.uint8] | None:
    """Decode these frames, None if one is not found or they differ in size."""
    stream = container.streams[known.stream]
    # The workers of the data loader are the parallelism.
    stream.codec_context.thread_type = 'NONE'
    wanted = [known.times[i] for i in indices]
    groups: dict[int, set[int]] = {}
    for time in wanted:
        key = known.keys[max(0, bisect_right(known.keys, time) - 1)]
        groups.setdefault(key, set()).add(time)
    found: dict[int, NDArray[np.uint8]] = {}
    for key, times in sorted(groups.items()):
        container.seek(key, stream=stream)  # also empties the decoder
        found |= _decode(container, stream, times)
    if any(time not in found for time in wanted):
        return None
    frames = [found[time] for time in wanted]
    return np.stack(frames) if len({frame.shape for frame in frames}) == 1 else None


def _decode(container: Any, stream: Any, times: set[int]) -> dict[int, NDArray[np.uint8]]:
    """Decode the frames of these times from here on, as far as they are found."""
    codec = stream.codec_context
    # Decoders that FFmpeg borrows from other libraries read this once, at the start.
    skipped = 'DEFAULT' if codec.codec.name.startswith('lib') else 'NONREF'
    found: dict[int, NDArray[np.uint8]] = {}

    def keep(frames: Sequence[Any]) -> bool:
        """Convert what is wanted; tell whether that is all."""
        for frame in frames:
            if frame.pts in times:
                found[frame.pts] = frame.to_ndarray(format='rgb24')
        return times <= found.keys()

    left = set(times)
    for packet in container.demux(stream):
        codec.skip_frame = 'DEFAULT' if packet.pts in left else skipped
        left.discard(packet.pts)
        if keep(packet.decode()):
            break
        if not left:
            keep(codec.decode(None))
            break
    return found
