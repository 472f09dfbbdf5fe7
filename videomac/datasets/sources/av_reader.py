"""Frames of video files by PyAV, decoding less than decord does.

Frames are numbered as decord numbers them, by time. Where that is in doubt nothing is
returned, and decord reads the frames.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ['read_frames']


@cache
def _pyav() -> Any:
    """PyAV, or None where it is not installed."""
    try:
        import av
    except ImportError:
        return None
    return av


def read_frames(
    path: str, indices: Sequence[int], num_frames: int
) -> NDArray[np.uint8] | None:
    """Decode some frames of a video file.

    One pass from the key frame before them on gives all frames that depend on it. Frames
    on the way that no other frame refers to are left out, which changes nothing: with
    the usual codecs those are about half of them.

    Args:
        path: The video file.
        indices: T frame numbers.
        num_frames: How many frames decord has found in the file.

    Returns:
        RGB ``[T, H, W, 3]``, uint8; None if PyAV is not installed, cannot read the file,
        or counts its frames differently.
    """
    av = _pyav()
    if av is None:
        return None
    try:
        with av.open(path) as container:
            stream = container.streams.best('video')
            # The workers of the data loader are the parallelism.
            stream.codec_context.thread_type = 'NONE'
            times, keys = _index(container, stream)
            if len(times) != num_frames or not keys or keys[0] > times[0]:
                return None
            wanted = [times[i] for i in indices]
            found = _decode(container, stream, wanted, keys)
    except (av.FFmpegError, ValueError, IndexError, AttributeError):
        return None
    if any(time not in found for time in wanted):
        return None
    frames = [found[time] for time in wanted]
    if len({frame.shape for frame in frames}) != 1:
        return None
    return np.stack(frames)


def _index(container: Any, stream: Any) -> tuple[list[int], list[int]]:
    """Times of all frames and of the key frames, sorted; nothing is decoded.

    Raises:
        ValueError: A frame has no time, or two have the same.
    """
    times, keys = [], []
    for packet in container.demux(stream):
        if not packet.size:  # marks the end
            continue
        if packet.pts is None:
            raise ValueError('a frame without a time')
        times.append(packet.pts)
        if packet.is_keyframe:
            keys.append(packet.pts)
    if len(set(times)) != len(times):
        raise ValueError('two frames at the same time')
    return sorted(times), sorted(keys)


def _decode(
    container: Any, stream: Any, wanted: Sequence[int], keys: Sequence[int]
) -> dict[int, NDArray[np.uint8]]:
    """Decode the frames of these times, as far as they are found."""
    groups: dict[int, set[int]] = {}
    for time in wanted:
        key = keys[max(0, bisect_right(keys, time) - 1)]
        groups.setdefault(key, set()).add(time)
    found: dict[int, NDArray[np.uint8]] = {}
    for key, times in sorted(groups.items()):
        container.seek(key, stream=stream)  # also empties the decoder
        for packet in container.demux(stream):
            needed = packet.pts in times
            stream.codec_context.skip_frame = 'DEFAULT' if needed else 'NONREF'
            for frame in packet.decode():
                if frame.pts in times:
                    found[frame.pts] = frame.to_ndarray(format='rgb24')
            if times <= found.keys():
                break
    return found
