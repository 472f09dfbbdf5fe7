"""One sheet with a few frames of every sequence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ..datasets.sources.images import read_image

__all__ = ['SequenceRow', 'sequence_sheet']

THUMBNAILS = 3
WIDTH = 240  # pixels of a thumbnail
GAP = 3  # pixels between thumbnails
WIDE_GAP = 18  # pixels between sequences
HEADING = 34
CAPTION = 24
TITLE_SIZE, CAPTION_SIZE = 18, 15
DARK, FAINT, EMPTY = (32, 32, 32), (150, 150, 150), (236, 236, 236)


class SequenceRow(NamedTuple):
    """A sequence on a sheet.

    Attributes:
        name: Its name.
        score: Its score; NaN where there is none.
        pictures: Files of up to three pictures; none leaves empty places.
    """

    name: str
    score: float
    pictures: tuple[Path, ...]


def sequence_sheet(rows: Sequence[SequenceRow], title: str = '') -> NDArray[np.uint8]:
    """Arrange sequences in as many columns as bring the sheet near 4:3.

    Args:
        rows: The sequences, read row by row; at least one.
        title: What the scores are.

    Returns:
        RGB picture, uint8 in 0..255, shape [height, width, 3].

    Raises:
        UnreadableVideoError: A picture cannot be read.
    """
    thumbnails = [[_thumbnail(path) for path in row.pictures] for row in rows]
    tall = [
        max((each.height for each in line), default=WIDTH // 2) for line in thumbnails
    ]
    width = THUMBNAILS * (WIDTH + GAP) - GAP + WIDE_GAP
    mean_height = sum(tall) / len(tall) + CAPTION + WIDE_GAP
    columns = round(math.sqrt(len(rows) * mean_height / width * 4 / 3))
    columns = min(max(1, columns), len(rows))
    lines = [range(i, min(i + columns, len(rows))) for i in range(0, len(rows), columns)]
    heights = [max(tall[i] for i in line) + CAPTION + WIDE_GAP for line in lines]
    size = (columns * width + WIDE_GAP, sum(heights) + HEADING)
    canvas = Image.new('RGB', size, (255, 255, 255))
    draw = ImageDraw.Draw(canvas)
    heading = (
        f'{len(rows)} sequence' + 's' * (len(rows) != 1) + (f': {title}' if title else '')
    )
    font = ImageFont.load_default(TITLE_SIZE)
    draw.text((WIDE_GAP, HEADING / 2), heading, DARK, font, 'lm')
    top = HEADING
    for line, height in zip(lines, heights, strict=True):
        for i in line:
            left = WIDE_GAP + (i - line.start) * width
            _caption(draw, rows[i], left, top, width - WIDE_GAP)
            _place(canvas, thumbnails[i], left, top + CAPTION, tall[i])
        top += height
    return np.asarray(canvas)


def _place(
    canvas: Image.Image, pictures: list[Image.Image], left: int, top: int, tall: int
) -> None:
    """Put pictures side by side, and grey where there is none."""
    for k in range(THUMBNAILS):
        corner = (left + k * (WIDTH + GAP), top)
        if k < len(pictures):
            aside = (WIDTH - pictures[k].width) // 2
            canvas.paste(pictures[k], (corner[0] + aside, top))
        else:
            canvas.paste(EMPTY, (*corner, corner[0] + WIDTH, top + tall))


def _caption(
    draw: ImageDraw.ImageDraw, row: SequenceRow, left: int, top: int, width: int
) -> None:
    """Write the name on the left, shortened if need be, and the score on the right."""
    font = ImageFont.load_default(CAPTION_SIZE)
    known = math.isfinite(row.score)
    # Shares have three decimals, percentages one.
    score = f'{row.score:.{3 if abs(row.score) <= 1 else 1}f}' if known else 'no score'
    middle = top + CAPTION / 2
    draw.text((left + width, middle), score, DARK if known else FAINT, font, 'rm')
    name = row.name if row.pictures else f'{row.name} (not painted)'
    room = width - draw.textlength(score, font) - 2 * GAP
    while len(name) > 1 and draw.textlength(name, font) > room:
        name = name.removesuffix('...')[:-1] + '...'
    draw.text((left, middle), name, DARK if row.pictures else FAINT, font, 'lm')


def _thumbnail(path: Path) -> Image.Image:
    """Read a picture and make its long side as long as a thumbnail is wide."""
    picture = Image.fromarray(read_image(str(path)))
    scale = WIDTH / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)
