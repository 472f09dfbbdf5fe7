"""Size of the frames of a file, as its header states it."""

from __future__ import annotations

import os

from PIL import Image

from .diagnosis import UnreadableVideoError, check_no_list
from .images import IMAGE_SUFFIXES

__all__ = ['stated_size']


def stated_size(path: str) -> tuple[int, int] | None:
    """Look up the size of a picture or of the frames of a video; nothing is decoded.

    Args:
        path: The file.

    Returns:
        Height and width in pixels, before frames are turned upright. None if the header
        does not tell, or only PyAV could read it and is not installed.
    """
    if os.path.splitext(path)[1].lower() in IMAGE_SUFFIXES:
        try:
            with Image.open(path) as picture:
                return picture.height, picture.width
        except (OSError, ValueError, Image.DecompressionBombError):
            return None
    try:
        import av
    except ImportError:
        return None
    try:
        check_no_list(path)
        with av.open(path) as container:
            stream = container.streams.best('video')
            size = (stream.height, stream.width) if stream else (0, 0)
    except (UnreadableVideoError, av.FFmpegError, ValueError):
        return None
    except AttributeError:  # streams of a codec that PyAV lacks have no height
        return None
    return size if all(size) else None
