"""From the bytes of JPEGs to resized crops of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .decoders import decode_region
from .resample import plan_window, resize_window

__all__ = ['crop_jpegs']


def crop_jpegs(
    files: Sequence[bytes],
    whole: tuple[int, int],
    window: tuple[int, int, int, int],
    size: tuple[int, int],
    interpolation: str = 'bicubic',
    decoder: str | None = None,
    reduce: bool = True,
) -> Tensor:
    """Cut the same window out of JPEGs of one size and resize it, with antialiasing.

    Only what the result needs is decoded: the rows and columns of the window, and at a
    half, a quarter or an eighth of the size where that still is as large as the result.

    Args:
        files: T whole files of which :func:`read_header` knows the size.
        whole: Height and width of the pictures.
        window: Top, left, height and width of the crop, in pixels.
        size: Height and width of the result.
        interpolation: ``'bicubic'``, ``'bilinear'`` or ``'nearest'``.
        decoder: A name of ``DECODERS``; the fastest installed one by default.
        reduce: Whether pictures may be decoded at a fraction of their size.

    Returns:
        RGB ``[T, 3, *size]``, uint8, not always contiguous.

    Raises:
        ValueError: A file is damaged.
    """
    # The nearest pixel of a reduced picture is a mean, no pixel of the picture.
    plan = plan_window(window, whole, size, reduce and interpolation != 'nearest')
    pixels = [decode_region(data, plan.region, plan.reduction, decoder) for data in files]
    frames = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)
    return resize_window(frames, plan, interpolation)
