"""Labels drawn on frames: objects as tints with contours, poses as skeletons."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ['LIMBS', 'contour_colours', 'overlay_masks', 'overlay_pose']

Picture = NDArray[np.uint8]

TINT = 0.45  # share of an object's colour in its inside
#: Pairs of JHMDB's joints that bones connect, from the head to the feet.
LIMBS = (
    *((2, 0), (0, 1), (0, 3), (0, 4), (1, 5), (1, 6)),  # head and trunk
    *((3, 7), (7, 11), (4, 8), (8, 12)),  # arms
    *((5, 9), (9, 13), (6, 10), (10, 14)),  # legs
)
# Of Okabe and Ito, which people tell apart whatever their colour vision.
MIDDLE, RIGHT, LEFT = (240, 228, 66), (230, 110, 0), (86, 180, 233)
OUTLINE = (20, 20, 20)
_SHIFT = 4  # binary digits of OpenCV's coordinates behind the point
_FAR = 1 << 14  # pixels; OpenCV's coordinates are whole numbers of 32 bits


def contour_colours(palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Brighten the colours of a palette until one of red, green and blue is 255.

    The palette of DAVIS begins with dark red and dark green, which as thin lines are
    lost on dark ground. Black becomes white.

    Args:
        palette: uint8 [256, 3].

    Returns:
        uint8 [256, 3].
    """
    colours = palette.astype(np.float64)
    colours[~palette.any(axis=1)] = 255
    bright = colours * 255 / colours.max(axis=1, keepdims=True)
    return np.round(bright).astype(np.uint8)


def overlay_masks(
    frame: Picture, ids: NDArray[np.uint8], palette: NDArray[np.uint8]
) -> Picture:
    """Tint objects in their colours and draw contours just inside of them.

    Args:
        frame: RGB, uint8 in 0..255, shape [H, W, 3].
        ids: Label map, uint8 [H, W]; 0 is background.
        palette: Colours of the ids, uint8 [256, 3].

    Returns:
        A new picture. Pixels without a label are those of the frame; inside an object
        they are ``(1 - TINT) * frame + TINT * colour``; its contour has the colour of
        :func:`contour_colours`.

    Raises:
        ValueError: Frame and label map differ in size.
    """
    if frame.shape[:2] != ids.shape:
        raise ValueError(
            f'the frame is {list(frame.shape[:2])} and the label map {list(ids.shape)} '
            'pixels (height, width): they must be of one size'
        )
    tinted = (1 - TINT) * frame + TINT * palette[ids]
    picture = np.where(ids[..., None] > 0, np.round(tinted), frame).astype(np.uint8)
    line = line_width(ids.shape)
    # Where the ids around a pixel are not all the same.
    around = np.ones((2 * line + 1,) * 2, np.uint8)
    edge = (cv2.dilate(ids, around) != cv2.erode(ids, around)) & (ids > 0)
    picture[edge] = contour_colours(palette)[ids[edge]]
    return picture


def overlay_pose(
    frame: Picture, points: NDArray[np.float64], visible: NDArray[np.bool_]
) -> Picture:
    """Draw a skeleton: the person's right side orange, the left one blue.

    Args:
        frame: RGB, uint8 in 0..255, shape [H, W, 3].
        points: Joints, x and y in pixels from 0, [J, 2]; they may lie outside. Bones
            are drawn if they are JHMDB's 15.
        visible: Which are visible, bool [J]. The others are not drawn, nor are bones
            that end in them or points that are not finite.

    Returns:
        A new picture.

    Raises:
        ValueError: The shapes of points and visibility do not fit.
    """
    points, visible = np.asarray(points, np.float64), np.asarray(visible, np.bool_)
    if points.ndim != 2 or points.shape != (len(visible), 2):
        raise ValueError(
            'a pose needs points [J, 2] and visible [J], got '
            f'{list(points.shape)} and {list(visible.shape)}'
        )
    picture = np.ascontiguousarray(frame).copy()
    shown = visible & np.isfinite(points).all(axis=1)
    places = np.where(shown[:, None], points, 0).clip(-_FAR, _FAR)
    fixed = np.round(places * 2**_SHIFT).astype(int).tolist()
    line = line_width(frame.shape[:2])
    limbs = LIMBS if len(points) == 15 else ()
    bones = [(a, b) for a, b in limbs if shown[a] and shown[b]]
    # First all outlines, so that none cuts through a neighbour.
    for wider in (2 * line, 0):
        for a, b in bones:
            colour = OUTLINE if wider else _side(max(a, b))
            cv2.line(
                picture, fixed[a], fixed[b], colour, 2 * line + wider, cv2.LINE_AA, _SHIFT
            )
    for joint in np.flatnonzero(shown).tolist():
        for radius, colour in ((2 * line + 1, OUTLINE), (2 * line, _side(joint))):
            cv2.circle(
                picture, fixed[joint], radius << _SHIFT, colour, -1, cv2.LINE_AA, _SHIFT
            )
    return picture


def line_width(size: tuple[int, ...]) -> int:
    """Width of thin lines in pixels, for a picture of this height and width."""
    return max(1, round(min(size) / 240))


def _side(joint: int) -> tuple[int, int, int]:
    """Colour of a joint: neck, belly and face, then right and left in turn."""
    if joint < 3:
        return MIDDLE
    return RIGHT if joint % 2 else LEFT
