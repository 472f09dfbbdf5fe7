"""Resizing a window whose edges may lie between the pixels of a reduced picture.

torch resizes uint8 pictures with antialiasing about as fast as memory allows, but only
whole tensors: its first output pixel begins where the tensor begins. A window at an odd
row begins half a pixel deep in a picture reduced by two. So some rows more are resized:
the grid of the output is continued upwards until it meets the edge of a pixel, and what
was added is cut off.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as tvf

__all__ = ['Window', 'plan_window', 'resize_window']

#: Rows by which the output may be continued, and by how much of an output pixel the
#: grid may then miss the edge of a pixel.
_MOST_ADDED = 16
_TOLERANCE = 0.05
#: Added to sizes before they are rounded down, against rounding errors.
_EPSILON = 1e-4


@dataclass(frozen=True, slots=True)
class _Axis:
    """Which pixels to decode along one axis, and what becomes of them.

    Attributes:
        first: First pixel.
        number: Number of pixels.
        added: Output pixels before the window, to be cut off.
        factor: Output pixels per pixel.
    """

    first: int
    number: int
    added: int
    factor: float


@dataclass(frozen=True, slots=True)
class Window:
    """What to decode for a crop, and how to resize it.

    Attributes:
        reduction: How many pixels become one while decoding, in each direction.
        rows: Along the height.
        columns: Along the width.
        size: Height and width of the result.
    """

    reduction: int
    rows: _Axis
    columns: _Axis
    size: tuple[int, int]

    @property
    def region(self) -> tuple[int, int, int, int]:
        """Top, left, height and width to decode, in pixels of the reduced picture."""
        rows, columns = self.rows, self.columns
        return rows.first, columns.first, rows.number, columns.number


def _plan_axis(
    start: int, length: int, whole: int, out: int, reduction: int
) -> _Axis | None:
    """Find the pixels of one axis, None if the grids do not meet."""
    begin, end = start / reduction, (start + length) / reduction
    step = (end - begin) / out  # pixels of the reduced picture per output pixel
    if step < 1:
        return None  # the reduced picture would be smaller than the result
    for added in range(_MOST_ADDED + 1):
        first = round(begin - added * step)
        if first < 0:
            return None
        if abs(begin - added * step - first) <= _TOLERANCE * step:
            last = min(math.ceil(end), math.ceil(whole / reduction))
            number = last - first
            # Rounded down, number * factor must give all output pixels.
            factor = max(1 / step, (added + out + _EPSILON) / number)
            return _Axis(first, number, added, factor)
    return None


def plan_window(
    window: tuple[int, int, int, int],
    whole: tuple[int, int],
    size: tuple[int, int],
    reduce: bool = True,
) -> Window:
    """Choose the largest reduction that a crop can do with.

    Args:
        window: Top, left, height and width of the crop in pixels of the picture.
        whole: Height and width of the picture.
        size: Height and width that the crop is resized to.
        reduce: Whether the picture may be reduced while it is decoded.

    Returns:
        The plan. Without reduction it is just the window.
    """
    top, left, height, width = window
    for reduction in (8, 4, 2) if reduce else ():
        rows = _plan_axis(top, height, whole[0], size[0], reduction)
        columns = _plan_axis(left, width, whole[1], size[1], reduction)
        if rows is not None and columns is not None:
            return Window(reduction, rows, columns, size)
    return Window(
        1,
        _Axis(top, height, 0, size[0] / height),
        _Axis(left, width, 0, size[1] / width),
        size,
    )


def resize_window(pixels: Tensor, window: Window, interpolation: str) -> Tensor:
    """Resize what was decoded for a crop.

    Args:
        pixels: The decoded ``window.region``, uint8 ``[T, 3, h, w]``.
        window: The plan.
        interpolation: ``'bicubic'``, ``'bilinear'`` or ``'nearest'``.

    Returns:
        uint8 ``[T, 3, *window.size]``.
    """
    if window.reduction == 1:
        mode = tvf.InterpolationMode(interpolation)
        return tvf.resize(pixels, list(window.size), mode, antialias=True)
    rows, columns = window.rows, window.columns
    resized = F.interpolate(
        pixels,
        scale_factor=(rows.factor, columns.factor),
        mode=interpolation,
        antialias=True,
        recompute_scale_factor=False,
    )
    H, W = window.size
    return resized[..., rows.added : rows.added + H, columns.added : columns.added + W]
