"""Frames of video files by PyAV, decoding less than decord does.

Frames are numbered as decord numbers them, in the order in which they are shown. Where
that is in doubt nothing is returned, and decord reads the frames.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .diagnosis import UnreadableVideoError, check_no_list, diagnose

__all__ = ['FrameTimes', 'can_decode', 'decode_all', 'find_frames', 'read_frames']

#: Opens a file without decoding its beginning, as FFmpeg does to learn what it holds.
_UNPROBED = {'probesize': '32', 'analyzeduration': '0'}

#: Where a container does not say when frames of these codecs are shown, FFmpeg counts
#: them in the order in which they are stored.
_COUNTED = ('h264', 'hevc', 'vvc')


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
        true: Whether frames are indeed shown then. If not, as in AVI with B-frames, the
            times tell no more than how many frames there are.
    """

    stream: int
    times: EvenTimes | Sequence[int]
    keys: Sequence[int]
    true: bool = True

    @property
    def small(self) -> bool:
        """Whether it takes little memory, 8 bytes a key frame."""
        return isinstance(self.times, EvenTimes)


@cache
def _pyav() -> Any:
    """PyAV, or None where it is not installed, or too old to tell rotations (< 14.1)."""
    try:
        import av
    except ImportError:
        return None
    return av if hasattr(av.VideoFrame, 'rotation') else None


def can_decode() -> bool:
    """Whether PyAV is installed."""
    return _pyav() is not None


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

    Where seeking leads astray, as it does in MPEG streams, the file is decoded from its
    start on.

    Args:
        path: The video file.
        indices: T frame numbers.
        num_frames: How many frames decord has found in the file.
        known: What :func:`find_frames` found, which saves reading all of the file.

    Returns:
        RGB ``[T, H, W, 3]``, uint8, upright; None if PyAV is not installed, cannot read
        the file, or counts its frames differently.

    Raises:
        UnreadableVideoError: The frames are there and cannot be decoded, or differ in
            size.
    """
    av = _pyav()
    if av is None or not all(0 <= i < num_frames for i in indices):
        return None
    times = known
    # Some decoders need to be told more of the file than was known.
    ways = [(_UNPROBED, _seek)] if known is not None else []
    for options, decode in (*ways, ({}, _seek), ({}, _decode_on)):
        try:
            with av.open(path, options=options) as container:
                times = times or _index(container, num_frames)
                if times is None:
                    return None
                frames = decode(container, indices, times)
        except (av.FFmpegError, ValueError, IndexError, AttributeError):
            frames = None
        if frames is not None:
            return frames
        if options:
            times = None  # what was known may be wrong
    if times is None:
        return None
    # Not by decord either, which repeats other frames in place of damaged ones.
    reason = f'frames {list(indices)} cannot be decoded, or differ in size'
    raise UnreadableVideoError(path, f'{reason}; fetch the file anew')


def decode_all(path: str) -> Iterator[NDArray[np.uint8]]:
    """Decode a video file from its start to its end; needs PyAV.

    Args:
        path: The video file.

    Yields:
        RGB ``[H, W, 3]``, uint8, upright, in the order in which they are shown.

    Raises:
        UnreadableVideoError: The file cannot be decoded to its end, or holds frames of
            several sizes.
    """
    av, number, size = _pyav(), 0, None
    check_no_list(path)
    try:
        with av.open(path) as container:
            for frame in _whole(container):
                pixels = _upright(frame)
                if pixels.shape != (size := size or pixels.shape):
                    raise ValueError('its size differs from that of the others')
                yield pixels
                number += 1
    except (av.FFmpegError, ValueError) as error:
        reason = getattr(error, 'strerror', None) or str(error)
        if number == 0:
            raise UnreadableVideoError(
                path, diagnose(path, ValueError(reason))
            ) from error
        reason = f'cannot be decoded from frame {number} on ({reason})'
        raise UnreadableVideoError(path, reason) from error


def _whole(container: Any) -> Iterator[Any]:
    """Decode all frames, in the order in which they are shown.

    Raises:
        ValueError: There is no video, or a part of it is damaged.
    """
    stream = container.streams.best('video')
    if stream is None:
        raise ValueError('holds no video')
    if stream.codec_context is None:
        raise ValueError('PyAV does not know its codec')
    stream.codec_context.thread_type = 'NONE'  # many videos are decoded side by side
    for packet in container.demux(stream):
        frames = packet.decode()
        if packet.is_corrupt or any(frame.is_corrupt for frame in frames):
            raise ValueError('damaged')
        yield from frames


def _index(container: Any, num_frames: int) -> FrameTimes | None:
    """Find all frames, None if they are not as many or cannot be told apart by time."""
    stream = container.streams.best('video')
    found, keys = array('q'), array('q')
    leads = set()  # from decoding to showing, which differs if frames change places
    for packet in container.demux(stream):
        if not packet.size:  # marks the end
            continue
        if packet.pts is None:
            return None
        found.append(packet.pts)
        if packet.dts is not None:
            leads.add(packet.pts - packet.dts)
        if packet.is_keyframe:
            keys.append(packet.pts)
    times, keys = sorted(found), array('q', sorted(keys))
    if len(set(times)) != num_frames or len(times) != num_frames:
        return None
    if not keys or keys[0] > times[0]:
        return None
    even = _even_times(times, stream)
    codec = stream.codec_context
    reorders = codec.name in _COUNTED and codec.has_b_frames
    true = len(times) == 1 or not reorders or len(leads) > 1
    return FrameTimes(stream.index, even or array('q', times), keys, true)


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


def _seek(
    container: Any, indices: Sequence[int], known: FrameTimes
) -> NDArray[np.uint8] | None:
    """Decode these frames from key frames on.

    Returns:
        RGB ``[T, H, W, 3]``; None if one is not found or they differ in size.
    """
    if not known.true:
        return None
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
    return _stack(found, wanted)


def _decode_on(
    container: Any, indices: Sequence[int], known: FrameTimes
) -> NDArray[np.uint8] | None:
    """Decode these frames from the start on, which gives all in the order they are shown.

    Returns:
        RGB ``[T, H, W, 3]``; None if one is not found or they differ in size.
    """
    stream = container.streams[known.stream]
    stream.codec_context.thread_type = 'NONE'
    wanted = [known.times[i] for i in indices]
    found: dict[int, NDArray[np.uint8]] = {}
    for number, frame in enumerate(container.decode(stream)):
        time = frame.pts if known.true else known.times[number]
        if time in wanted and not frame.is_corrupt:
            found[time] = _upright(frame)
        if time is not None and time >= max(wanted):
            break
    return _stack(found, wanted)


def _stack(
    found: dict[int, NDArray[np.uint8]], times: Sequence[int]
) -> NDArray[np.uint8] | None:
    """Frames ``[T, H, W, 3]`` of these times, None if one is missing or they differ."""
    frames = [found[time] for time in times if time in found]
    alike = len(frames) == len(times) and len({frame.shape for frame in frames}) == 1
    return np.stack(frames) if alike else None


def _upright(frame: Any) -> NDArray[np.uint8]:
    """RGB ``[H, W, 3]`` of a frame, turned as it is to be shown; phones film sideways."""
    pixels = frame.to_ndarray(format='rgb24')
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))


def _decode(container: Any, stream: Any, times: set[int]) -> dict[int, NDArray[np.uint8]]:
    """Decode the frames of these times from here on, as far as they are found."""
    codec = stream.codec_context
    # Decoders that FFmpeg borrows from other libraries read this once, at the start.
    skipped = 'DEFAULT' if codec.codec.name.startswith('lib') else 'NONREF'
    found: dict[int, NDArray[np.uint8]] = {}

    def keep(frames: Sequence[Any]) -> bool:
        """Convert what is wanted; tell whether that is all."""
        for frame in frames:
            if frame.pts in times and not frame.is_corrupt:
                found[frame.pts] = _upright(frame)
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
