"""Heat maps of the agreement between two frames, in the manner of the paper's Fig. 2."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .affinity import Agreement, Point, agreement

__all__ = ['affinity_sheet', 'heat_overlay']

Picture = NDArray[np.uint8]

HEAT = 0.65  # share of the heat map; the rest is the frame in grey
PANEL = (400, 480)  # pixels, height and width of a panel at most
GAP = 8  # pixels
HEADING = 30
CAPTION = 22
TITLE_SIZE, CAPTION_SIZE = 15, 13
BAR = (140, 12)  # width and height of the colour bar
RING = 9  # radius in pixels
DARK = (32, 32, 32)


def heat_overlay(
    frame: Picture,
    scores: NDArray[np.float32],
    limits: tuple[float, float] | None = None,
) -> Picture:
    """Lay a heat map over a frame: from black over red to bright yellow.

    Args:
        frame: RGB, uint8 in 0..255, shape [H, W, 3].
        scores: [h, w]; resized bilinearly, cells seen as areas.
        limits: Scores of the darkest and of the brightest colour; by default the lowest
            and the highest.

    Returns:
        A new picture.

    Raises:
        ValueError: The lower limit is not below the upper one.
    """
    if limits is not None and not limits[0] < limits[1]:
        raise ValueError(f'limits must rise, got {limits[0]:g} and {limits[1]:g}')
    low, high = limits or (float(scores.min()), float(scores.max()))
    shares = (scores - low) / max(high - low, 1e-12)
    size = frame.shape[1], frame.shape[0]
    large = cv2.resize(shares.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)[..., None]
    mixed = HEAT * _colours(np.asarray(large, np.float32)) + (1 - HEAT) * grey
    return np.round(mixed).astype(np.uint8)


def affinity_sheet(
    frames: tuple[Picture, Picture],
    features: tuple[Tensor, Tensor],
    points: Sequence[Point],
    itself: bool = False,
    limits: tuple[float, float] | None = None,
    note: str = '',
) -> tuple[Picture, list[Agreement]]:
    """Draw a row for each point: frame 1 with the point, frame 2 with its agreement.

    Args:
        frames: RGB, uint8 in 0..255, shape [H, W, 3] each; sizes may differ.
        features: Their features, [C, h, w] each.
        points: x and y in pixels of frame 1; at least one.
        itself: Whether to add a column: the agreement with frame 1 itself.
        limits: See :func:`heat_overlay`; by default each heat map has its own.
        note: What the features are, for the heading.

    Returns:
        RGB picture, uint8, and the agreement of each point with frame 2.

    Raises:
        ValueError: There is no point, or one lies outside of frame 1.
    """
    if not points:
        raise ValueError('there is no point to compare: give at least one')
    first, second = frames
    shapes = [frame.shape[:2] for frame in frames]
    sizes = [(shape[0], shape[1]) for shape in shapes]
    rows, found = [], []
    for point in points:
        panels = [_panel(first, point, f'frame 1: point {_text(point)}')]
        targets = [(1, second, 'frame 2')]
        if itself:
            targets.insert(0, (0, first, 'frame 1'))
        for k, frame, name in targets:
            match = agreement(point, features[0], sizes[0], features[k], sizes[k])
            low, high = float(match.scores.min()), float(match.scores.max())
            caption = f'{name}: {low:.2f} to {high:.2f}'
            # The point agrees best with itself.
            mark = match.best if k else point
            caption += f', best at {_text(mark)}' if k else ''
            panels.append(
                _panel(heat_overlay(frame, match.scores, limits), mark, caption)
            )
        found.append(match)
        rows.append(panels)
    return _arrange(rows, note, limits), found


def _panel(picture: Picture, point: Point, caption: str) -> Image.Image:
    """Fit a picture into a panel, mark a point, and write the caption above."""
    height, width = picture.shape[:2]
    scale = min(PANEL[0] / height, PANEL[1] / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    fitted = np.asarray(cv2.resize(picture, size, interpolation=kind), np.uint8)
    place = [(value + 0.5) * scale - 0.5 for value in point]
    panel = Image.new('RGB', (size[0], size[1] + CAPTION), (255, 255, 255))
    panel.paste(Image.fromarray(mark_point(fitted, (place[0], place[1]))), (0, CAPTION))
    font = ImageFont.load_default(CAPTION_SIZE)
    ImageDraw.Draw(panel).text((0, CAPTION / 2), caption, DARK, font, 'lm')
    return panel


def mark_point(picture: Picture, point: Point) -> Picture:
    """Draw a ring round a point, white with black edges."""
    marked = picture.copy()
    centre = [round(16 * value) for value in point]  # OpenCV counts in sixteenths
    for width, colour in ((5, (0, 0, 0)), (2, (255, 255, 255))):
        cv2.circle(marked, centre, 16 * RING, colour, width, cv2.LINE_AA, 4)
    return marked


def _arrange(
    rows: Sequence[Sequence[Image.Image]],
    note: str,
    limits: tuple[float, float] | None,
) -> Picture:
    """Put rows of panels under a heading with the colour bar."""
    heights = [max(panel.height for panel in row) for row in rows]
    width = sum(panel.width + GAP for panel in rows[0]) + GAP
    scale = ('least', 'most') if limits is None else tuple(f'{x:g}' for x in limits)
    font = ImageFont.load_default(TITLE_SIZE)
    small = ImageFont.load_default(CAPTION_SIZE)
    lines = _wrap(note, font, width - 2 * GAP)
    head = HEADING * (1 + len(lines))
    canvas = Image.new('RGB', (width, head + sum(heights) + GAP * len(rows)), 'white')
    draw = ImageDraw.Draw(canvas)
    for i, line in enumerate(lines):
        draw.text((GAP, (i + 0.5) * HEADING), line, DARK, font, 'lm')
    middle = head - HEADING / 2
    left = GAP
    draw.text((left, middle), f'cosine similarity: {scale[0]}', DARK, small, 'lm')
    left += math.ceil(draw.textlength(f'cosine similarity: {scale[0]}', small)) + GAP
    ramp = np.tile(np.linspace(0, 1, BAR[0], dtype=np.float32), (BAR[1], 1))
    bar = Image.fromarray(np.round(_colours(ramp)).astype(np.uint8))
    canvas.paste(bar, (left, round(middle - BAR[1] / 2)))
    draw.text((left + BAR[0] + GAP, middle), scale[1], DARK, small, 'lm')
    top = head
    for row, height in zip(rows, heights, strict=True):
        left = GAP
        for panel in row:
            canvas.paste(panel, (left, top))
            left += panel.width + GAP
        top += height + GAP
    return np.asarray(canvas)


def _wrap(
    text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float
) -> list[str]:
    """Break a text into lines that fit, between words."""
    lines: list[str] = []
    for word in text.split():
        longer = f'{lines[-1]} {word}' if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _colours(shares: NDArray[np.float32]) -> NDArray[np.float64]:
    """Colours of shares in [0, 1], RGB in 0..255; perceptually even (inferno)."""
    levels = np.round(255 * shares.clip(0, 1)).astype(np.uint8)
    heat = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)
    return np.asarray(heat[..., ::-1], np.float64)


def _text(point: Point) -> str:
    return f'({point[0]:.0f}, {point[1]:.0f})'
