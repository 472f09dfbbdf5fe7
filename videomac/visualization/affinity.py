"""How much the features of two frames agree, seen from points of the first."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

__all__ = ['Agreement', 'agreement', 'check_inside', 'choose_points', 'match_place']

Point = tuple[float, float]

EDGE = 0.05  # of the short side: chosen points keep this far from the border
SPACING = 0.25  # of the short side: and this far from each other


class Agreement(NamedTuple):
    """Agreement of one point with all cells of a frame.

    Attributes:
        scores: Cosine similarities, float32 in [-1, 1], shape [h, w].
        best: Centre of the most similar cell, x and y in pixels of that frame.
    """

    scores: NDArray[np.float32]
    best: Point


def agreement(
    point: Point,
    features: Tensor,
    size: tuple[int, int],
    others: Tensor,
    other_size: tuple[int, int],
) -> Agreement:
    """Compare the cell of a point with all cells of another map.

    Args:
        point: x and y in pixels of the first frame, counted from 0.
        features: Features of the first frame, [C, h1, w1], of any length.
        size: Height and width of the first frame in pixels.
        others: Features of the other frame, [C, h2, w2].
        other_size: Height and width of the other frame in pixels.

    Returns:
        Cosine similarities and where they are highest.

    Raises:
        ValueError: The point lies outside of the frame, or features are not finite.
    """
    check_inside(point, size)
    row, column = _cell(point, size, features)
    feature = F.normalize(features[:, row, column].float(), dim=0)
    scores = feature @ F.normalize(others.float(), dim=0).flatten(1)
    if not scores.isfinite().all():
        raise ValueError(
            'the features are not finite: check the checkpoint, or run the network in '
            'float32'
        )
    table = scores.view(others.shape[1:]).cpu().numpy()
    return Agreement(table, match_place(table, other_size))


def match_place(scores: NDArray[np.float32], size: tuple[int, int]) -> Point:
    """Centre of the cell with the highest score, x and y in pixels from 0.

    Args:
        scores: [h, w]; of equal ones the first counts.
        size: Height and width of the frame in pixels.
    """
    row, column = np.unravel_index(int(scores.argmax()), scores.shape)
    height, width = scores.shape
    x = (int(column) + 0.5) * size[1] / width - 0.5
    y = (int(row) + 0.5) * size[0] / height - 0.5
    return x, y


def choose_points(frame: NDArray[np.uint8], count: int) -> list[Point]:
    """Choose points worth a look: the strongest corners, far from each other.

    Where there are too few corners, points of a grid fill up (Shi and Tomasi, "Good
    Features to Track", CVPR 1994).

    Args:
        frame: RGB, uint8 in 0..255, shape [H, W, 3].
        count: Number of points, at least 1.

    Returns:
        x and y in pixels of each.
    """
    height, width = frame.shape[:2]
    short = min(height, width)
    inside = np.zeros((height, width), np.uint8)
    edge = math.ceil(EDGE * short)
    inside[edge : height - edge, edge : width - edge] = 1
    grey = cv2.GaussianBlur(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), (0, 0), 2)
    corners = cv2.goodFeaturesToTrack(
        grey, count, 0.02, SPACING * short, mask=inside, blockSize=max(3, short // 40)
    )
    found = [] if corners is None else corners.reshape(-1, 2).tolist()
    side = math.ceil(math.sqrt(count))
    grid = [
        ((k % side + 0.5) * width / side - 0.5, (k // side + 0.5) * height / side - 0.5)
        for k in range(count - len(found))
    ]
    return [(x, y) for x, y in [*found, *grid]]


def check_inside(point: Point, size: tuple[int, int]) -> None:
    """Check that a point lies in a frame.

    Args:
        point: x and y in pixels from 0.
        size: Height and width of the frame in pixels.

    Raises:
        ValueError: It does not.
    """
    (x, y), (height, width) = point, size
    # Pixel 0 reaches from -0.5 to 0.5.
    if not (-0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5):
        raise ValueError(
            f'the point ({x:g}, {y:g}) lies outside of the frame of {width} x {height} '
            f'pixels: x must be in 0..{width - 1} and y in 0..{height - 1}'
        )


def _cell(point: Point, size: tuple[int, int], features: Tensor) -> tuple[int, int]:
    """Row and column of the cell that holds a point."""
    (x, y), (height, width), (rows, columns) = point, size, features.shape[1:]
    row, column = int((y + 0.5) * rows / height), int((x + 0.5) * columns / width)
    return min(row, rows - 1), min(column, columns - 1)  # for the sake of rounding
