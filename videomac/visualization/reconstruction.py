"""Frames, what the encoder saw of them, and what the decoder made of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmpretrain.structures import DataSample
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

__all__ = [
    'reconstruction_sheet',
    'reconstruction_sheets',
    'save_image',
    'side_by_side',
]

TITLES = ('original', 'masked', 'prediction', 'pasted')
FIELDS = ('frames', 'visible', 'reconstruction', 'pasted')
GREY = 0.5  # brightness of masked patches
GAP = 3  # pixels between pictures
WIDE_GAP = 9  # pixels between samples
HEADER = 20  # pixels for the titles
TITLE_SIZE = 13  # pixels
QUALITY = 85  # of a JPEG, in 1..95


def reconstruction_sheet(sample: DataSample) -> NDArray[np.uint8]:
    """Arrange one sample of :meth:`VideoMAC.predict`; see :func:`reconstruction_sheets`.

    Args:
        sample: Has ``frames``, ``reconstruction`` and ``pasted``, RGB in 0..1 of shape
            [T, 3, H, W], and ``visible``, bool of shape [T, 1, H, W].

    Returns:
        RGB picture, uint8 in 0..255, shape [height, width, 3].

    Raises:
        ValueError: A field is missing.
    """
    return reconstruction_sheets([sample])


def reconstruction_sheets(samples: Sequence[DataSample]) -> NDArray[np.uint8]:
    """Arrange samples one below the other, with one row for each frame.

    The columns are the original frame, the frame with masked patches in grey, the
    prediction for all patches, and the prediction pasted between the visible patches.

    Args:
        samples: Samples as for :func:`reconstruction_sheet`, all of one size H, W.

    Returns:
        RGB picture, uint8 in 0..255, shape [height, width, 3].

    Raises:
        ValueError: There is no sample, a field is missing, or sizes differ.
    """
    if not samples:
        raise ValueError('there is no sample to draw: predict at least one')
    blocks = [_frame_rows(sample) for sample in samples]
    widths = {block.shape[1] for block in blocks}
    if len(widths) > 1:
        raise ValueError(
            f'samples on one sheet must have one size, got sheets {sorted(widths)} '
            'pixels wide; draw them on sheets of their own'
        )
    width = widths.pop()
    parts = [_header(width)]
    for block in blocks:
        parts += [block, _white(WIDE_GAP, width)]
    return np.concatenate(parts[:-1])


def save_image(path: str | Path, image: NDArray[np.uint8]) -> None:
    """Write a picture; the suffix of the path sets the format.

    Args:
        path: File to write; its folder is made where it is missing.
        image: RGB, uint8 in 0..255, shape [H, W, 3].

    Raises:
        TypeError: The picture is not uint8.
        ValueError: The picture is not [H, W, 3], or the suffix is of no known format.
    """
    if image.dtype != np.uint8:
        raise TypeError(f'the image must be uint8 in 0..255, got {image.dtype}')
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f'the image must be [H, W, 3], got {list(image.shape)}')
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    # Thin coloured lines do not survive a JPEG whose colours are halved in size.
    picture = Image.fromarray(image)
    picture.save(path, optimize=True, quality=QUALITY, subsampling=0)


def _frame_rows(sample: DataSample) -> NDArray[np.uint8]:
    """Draw the frames of one sample as rows of four pictures each."""
    missing = [name for name in FIELDS if name not in sample]
    if missing:
        raise ValueError(
            f'the sample has no {missing}: draw what VideoMAC.predict returns'
        )
    frames, visible, reconstruction, pasted = (
        sample.get(name).detach().cpu() for name in FIELDS
    )
    masked = torch.where(visible, frames, torch.full_like(frames, GREY))
    rows: list[NDArray[np.uint8]] = []
    for pictures in zip(frames, masked, reconstruction, pasted, strict=True):
        line = side_by_side([_to_uint8(picture) for picture in pictures])
        rows += [line, _white(GAP, line.shape[1])]
    return np.concatenate(rows[:-1])


def side_by_side(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Put RGB pictures [H, W, 3] of one height in a row, with gaps between."""
    gap = _white(pictures[0].shape[0], GAP)
    parts = [part for picture in pictures for part in (picture, gap)][:-1]
    return np.concatenate(parts, axis=1)


def _to_uint8(picture: Tensor) -> NDArray[np.uint8]:
    """Turn RGB in 0..1, shape [3, H, W], into uint8 of shape [H, W, 3]."""
    values = (picture.float().clamp(0, 1) * 255).round().byte()
    return values.permute(1, 2, 0).contiguous().numpy()


def _white(height: int, width: int) -> NDArray[np.uint8]:
    return np.full((height, width, 3), 255, np.uint8)


def _header(width: int) -> NDArray[np.uint8]:
    """Write the titles over their columns, smaller where columns are narrow."""
    canvas = Image.fromarray(_white(HEADER, width))
    draw = ImageDraw.Draw(canvas)
    column = (width - GAP * (len(TITLES) - 1)) / len(TITLES)
    size = TITLE_SIZE
    font = ImageFont.load_default(size)
    while size > 6 and max(draw.textlength(title, font) for title in TITLES) > column:
        size -= 1
        font = ImageFont.load_default(size)
    for i, title in enumerate(TITLES):
        middle = i * (column + GAP) + column / 2
        draw.text((middle, HEADER / 2), title, fill=(32, 32, 32), font=font, anchor='mm')
    return np.asarray(canvas)
