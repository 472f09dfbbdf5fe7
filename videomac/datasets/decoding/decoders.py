"""Decoders of JPEGs that can read a part or a fraction of one."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .turbojpeg import turbojpeg

__all__ = ['DECODERS', 'Decoder', 'best_decoder', 'decode_region']

#: Takes a file, a region (top, left, height, width; pixels of the reduced picture) and
#: the reduction (1, 2, 4 or 8); returns RGB ``[height, width, 3]``. Raises ValueError.
Decoder = Callable[[bytes, tuple[int, int, int, int], int], NDArray[np.uint8]]

_REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


def _by_turbojpeg(
    data: bytes, region: tuple[int, int, int, int], reduction: int
) -> NDArray[np.uint8]:
    """Only the region, by libturbojpeg."""
    library = turbojpeg()
    if library is None:
        raise ImportError(
            'there is no libturbojpeg of version 3 or later; pip install turbojpeg, or '
            "conda install 'libjpeg-turbo>=3'"
        )
    return library.decode(data, region, reduction)


def _by_simplejpeg(
    data: bytes, region: tuple[int, int, int, int], reduction: int
) -> NDArray[np.uint8]:
    """The whole picture at a fraction of its size, by simplejpeg."""
    import simplejpeg

    if reduction == 1:
        return _cut(simplejpeg.decode_jpeg(data), region)
    height, width, *_ = simplejpeg.decode_jpeg_header(data)
    pixels = simplejpeg.decode_jpeg(
        data,
        min_height=-(-height // reduction),
        min_width=-(-width // reduction),
        min_factor=float(reduction),
    )
    return _cut(pixels, region)


def _by_opencv(
    data: bytes, region: tuple[int, int, int, int], reduction: int
) -> NDArray[np.uint8]:
    """The whole picture at a fraction of its size, by OpenCV."""
    flags = _REDUCED[reduction] | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is None:
        raise ValueError('OpenCV cannot decode it')
    # OpenCV's types differ between its wheels.
    return np.asarray(cv2.cvtColor(_cut(pixels, region), cv2.COLOR_BGR2RGB), np.uint8)


def _cut(pixels: NDArray[Any], region: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    top, left, height, width = region
    return pixels[top : top + height, left : left + width]


#: By name, the fastest first.
DECODERS: dict[str, Decoder] = {
    'turbojpeg': _by_turbojpeg,
    'simplejpeg': _by_simplejpeg,
    'opencv': _by_opencv,
}


@cache
def best_decoder() -> str:
    """Name of the fastest decoder that is installed."""
    if turbojpeg() is not None:
        return 'turbojpeg'
    if importlib.util.find_spec('simplejpeg') is not None:
        return 'simplejpeg'
    return 'opencv'


def decode_region(
    data: bytes,
    region: tuple[int, int, int, int],
    reduction: int,
    decoder: str | None = None,
) -> NDArray[np.uint8]:
    """Decode a region of a JPEG as it is at a fraction of its size.

    The picture is reduced while it is decoded, by leaving out high frequencies.

    Args:
        data: A whole file of which :func:`read_header` knows the size.
        region: Top, left, height and width, in pixels of the reduced picture.
        reduction: 1, 2, 4 or 8: how many pixels become one, in each direction.
        decoder: A name of :data:`DECODERS`; the fastest installed one by default.

    Returns:
        RGB array ``[height, width, 3]``, uint8.

    Raises:
        ValueError: The data are damaged.
    """
    pixels = DECODERS[decoder or best_decoder()](data, region, reduction)
    if pixels.shape[:2] != region[2:]:
        raise ValueError(
            f'{pixels.shape[1]}x{pixels.shape[0]} pixels were decoded, not '
            f'{region[3]}x{region[2]}'
        )
    return pixels
