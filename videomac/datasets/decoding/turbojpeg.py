"""What of libturbojpeg 3 decodes a part of a JPEG at a fraction of its size.

TurboJPEG's interface is small and stable, but no Python package that is kept up hands its
cropping on. The libjpeg-turbo inside Pillow, OpenCV and torchvision is of no use here: it
is hidden, or has libjpeg's own interface, which ends the process at an error.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ['TurboJPEG', 'turbojpeg']

# Constants of turbojpeg.h
_DECOMPRESS = 1  # TJINIT_DECOMPRESS
_SUBSAMPLING, _WIDTH = 4, 5  # TJPARAM_*
_RGB = 0  # TJPF_RGB
#: Width of a block of 4:4:4, 4:2:2, 4:2:0, grey, 4:4:0, 4:1:1 and 4:4:1, by TJSAMP_*.
_BLOCK_WIDTHS = (8, 16, 16, 8, 8, 32, 8)


class _Region(ctypes.Structure):
    """``tjregion``."""

    _fields_ = [(name, ctypes.c_int) for name in ('x', 'y', 'w', 'h')]


class _Fraction(ctypes.Structure):
    """``tjscalingfactor``."""

    _fields_ = [(name, ctypes.c_int) for name in ('num', 'denom')]


class TurboJPEG:
    """A loaded libturbojpeg of version 3 or later.

    Args:
        path: The shared library.

    Raises:
        OSError: It cannot be loaded.
        AttributeError: It is older than version 3.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        library = ctypes.CDLL(path)
        handle, size, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
        takes: dict[str, list[Any]] = {
            'tj3Init': [number],
            'tj3Destroy': [handle],
            'tj3Get': [handle, number],
            'tj3DecompressHeader': [handle, ctypes.c_char_p, size],
            'tj3SetScalingFactor': [handle, _Fraction],
            'tj3SetCroppingRegion': [handle, _Region],
            'tj3Decompress8': [handle, ctypes.c_char_p, size, handle, number, number],
            'tj3GetErrorStr': [handle],
        }
        for name, types in takes.items():
            getattr(library, name).argtypes = types
        library.tj3Init.restype = handle
        library.tj3Destroy.restype = None
        library.tj3GetErrorStr.restype = ctypes.c_char_p
        self._library = library

    def decode(
        self, data: bytes, region: tuple[int, int, int, int], reduction: int
    ) -> NDArray[np.uint8]:
        """Decode a region of the picture as it is at a fraction of its size.

        Only rows down to the region's last, and of these only the columns around the
        region, are transformed; what lies above it is read over.

        Args:
            data: The whole file.
            region: Top, left, height and width, in pixels of the reduced picture.
            reduction: 1, 2, 4 or 8: how many pixels become one, in each direction.

        Returns:
            RGB array ``[height, width, 3]``.

        Raises:
            ValueError: The library complains of the data, be it only a warning.
        """
        # A decoder of its own for each call: it costs microseconds, and nothing is left
        # to share between threads and forks.
        handle = self._library.tj3Init(_DECOMPRESS)
        if not handle:
            raise ValueError('libturbojpeg could not make a decoder')
        try:
            return self._decode(handle, data, region, reduction)
        finally:
            self._library.tj3Destroy(handle)

    def _decode(
        self,
        handle: int,
        data: bytes,
        region: tuple[int, int, int, int],
        reduction: int,
    ) -> NDArray[np.uint8]:
        call, get = self._call, self._library.tj3Get
        call('tj3DecompressHeader', handle, data, len(data))
        call('tj3SetScalingFactor', handle, _Fraction(1, reduction))
        subsampling = get(handle, _SUBSAMPLING)
        full = -(-get(handle, _WIDTH) // reduction)
        top, left, height, width = region
        if 0 <= subsampling < len(_BLOCK_WIDTHS):
            block = max(1, _BLOCK_WIDTHS[subsampling] // reduction)
            # Chroma at the edge of what is decoded lacks a neighbour to blend with:
            # one column more on either side gives what the whole picture has.
            first = max(0, left - 1) // block * block
            last = min(full, left + width + 1)
        else:  # an odd kind of subsampling, which cannot be cropped in columns
            first, last = 0, full
        columns = last - first
        pixels = np.empty((height, columns, 3), np.uint8)
        call('tj3SetCroppingRegion', handle, _Region(first, top, columns, height))
        call('tj3Decompress8', handle, data, len(data), pixels.ctypes.data, 0, _RGB)
        return pixels[:, left - first : left - first + width]

    def _call(self, name: str, handle: int, *args: Any) -> None:
        if getattr(self._library, name)(handle, *args):
            raise ValueError(
                self._library.tj3GetErrorStr(handle).decode(errors='replace')
            )


def _candidates() -> Iterator[str]:
    """Where a libturbojpeg may lie: a wheel, the environment, the system."""
    # find_spec, not import: the package's own Python module is not needed.
    spec = importlib.util.find_spec('turbojpeg')
    if spec is not None and spec.origin is not None:
        for found in sorted(
            Path(spec.origin).parent.glob('turbojpeg.libs/libturbojpeg*')
        ):
            yield str(found)
    for pattern in ('lib/libturbojpeg.so.0*', 'lib/libturbojpeg*.dylib'):
        for found in sorted(Path(sys.prefix).glob(pattern)):
            yield str(found)
    name = ctypes.util.find_library('turbojpeg')
    if name is not None:
        yield name


@cache
def turbojpeg() -> TurboJPEG | None:
    """Load libturbojpeg 3 or later, once.

    It is looked for in the wheel ``turbojpeg``, in the environment's ``lib`` (conda's
    package ``libjpeg-turbo``) and where the system keeps its libraries.

    Returns:
        The library, or None where there is none or only an older one.
    """
    for path in _candidates():
        try:
            return TurboJPEG(path)
        except (OSError, AttributeError):
            continue
    return None
