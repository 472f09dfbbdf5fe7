"""Frames of video files by decord, as far as it counts them right."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .diagnosis import UnreadableVideoError, check_no_list, diagnose

__all__ = ['check_container', 'count_frames', 'decode_all', 'read_frames']

#: Packets of transport streams begin with it, every 188 bytes; of 192 in M2TS.
_SYNC = b'GGGG'


def count_frames(path: str) -> int:
    """Count the frames of a video file.

    Raises:
        ImportError: decord is not installed.
        UnreadableVideoError: The file is missing, empty, or not decodable.
    """
    return len(_open(path))


def check_container(path: str) -> None:
    """Refuse files of which decord gives other frames than those asked for.

    In MPEG streams it counts from wherever it first finds a key frame, and fills up with
    the last frame what is then missing at the end.

    Raises:
        UnreadableVideoError: The file is an MPEG stream.
    """
    start = _start(path)
    streams = (
        start[at : at + 4 * step : step] for step in (188, 192) for at in range(step)
    )
    if start.startswith((b'\0\0\1\xba', b'\0\0\1\xb3')) or _SYNC in streams:
        raise UnreadableVideoError(
            path,
            'is an MPEG stream, of which decord gives wrong frames. Install PyAV '
            '(pip install av); where that does not help, convert the file to MP4',
        )


def read_frames(path: str, indices: Sequence[int]) -> NDArray[np.uint8]:
    """Decode some frames of a video file.

    Args:
        path: The video file.
        indices: T frame numbers.

    Returns:
        RGB ``[T, H, W, 3]``, uint8.

    Raises:
        ImportError: decord is not installed.
        UnreadableVideoError: The file cannot be opened, a frame cannot be decoded, or
            decord would give others than these.
    """
    # The reader lives for this call only: kept readers hold on to their memory, and do
    # not survive a fork of the data loader.
    reader = _open(path)
    check_container(path)
    try:
        # Seeking in AVI leads anywhere, since it does not say when frames are shown.
        if _start(path)[8:12] == b'AVI ':
            return _read_on(reader, indices)
        frames: NDArray[np.uint8] = reader.get_batch(list(indices)).asnumpy()
    except (_import_decord().DECORDError, RuntimeError, IndexError) as error:
        raise UnreadableVideoError(
            path, f'frames {list(indices)}: {_reason(error)}'
        ) from error
    return frames


def decode_all(path: str) -> Iterator[NDArray[np.uint8]]:
    """Decode a video file from its start to its end.

    Yields:
        RGB ``[H, W, 3]``, uint8.

    Raises:
        ImportError: decord is not installed.
        UnreadableVideoError: The file cannot be decoded to its end, or decord would give
            wrong frames.
    """
    reader = _open(path)
    check_container(path)
    number = len(reader)
    for index in range(number):
        try:
            frame: NDArray[np.uint8] = reader.next().asnumpy()
        except (_import_decord().DECORDError, RuntimeError, StopIteration) as error:
            reason = f'frame {index} of {number} on ({_reason(error)})'
            raise UnreadableVideoError(
                path, f'cannot be decoded from {reason}'
            ) from error
        yield frame


def _read_on(reader: Any, indices: Sequence[int]) -> NDArray[np.uint8]:
    """Decode from the start, without seeking, up to the last of the frames."""
    if not all(0 <= index < len(reader) for index in indices):
        raise IndexError(f'it has {len(reader)} frames')
    found: dict[int, NDArray[np.uint8]] = {}
    for index in range(max(indices, default=-1) + 1):
        frame = reader.next()
        if index in indices:
            found[index] = frame.asnumpy()
    return np.stack([found[index] for index in indices])


def _import_decord() -> Any:
    """Import decord, which only video files need.

    Raises:
        ImportError: decord is not installed.
    """
    try:
        import decord
    except ImportError as error:
        raise ImportError(
            'reading video files needs decord, which cannot be imported '
            f'({error}). Install it (pip install decord), or extract the frames and use '
            'FrameFolders'
        ) from error
    return decord


def _open(path: str) -> Any:
    """Open a decord reader.

    Raises:
        UnreadableVideoError: The file is missing, empty, a list, or not decodable.
    """
    decord = _import_decord()
    if not os.path.isfile(path) or os.path.getsize(path) == 0:
        raise UnreadableVideoError(path, diagnose(path))
    check_no_list(path)
    try:
        # One thread: the workers of the data loader are the parallelism.
        return decord.VideoReader(path, num_threads=1)
    except UnicodeEncodeError as error:
        raise UnreadableVideoError(
            path, 'decord takes names in UTF-8 only; rename it'
        ) from error
    except (decord.DECORDError, RuntimeError) as error:
        reason = diagnose(path, RuntimeError(_reason(error)))
        raise UnreadableVideoError(path, reason) from error


def _start(path: str) -> bytes:
    """First bytes of a file, which tell what container it is."""
    with open(path, 'rb') as file:
        return file.read(1024)


def _reason(error: Exception) -> str:
    """First line of a decord error; the rest is a stack trace of C++."""
    return f'decord: {(str(error).splitlines() or [repr(error)])[0]}'
