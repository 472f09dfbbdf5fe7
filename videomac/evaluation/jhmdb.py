"""PCK of JHMDB: the share of correct keypoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ['PCK_THRESHOLDS', 'joint_distances', 'pck']

Numbers = NDArray[np.float64]
PCK_THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5)


def joint_distances(
    points: Numbers,
    visible: NDArray[np.bool_],
    truth: Numbers,
    scale: float = 0.6,
    first_frame: bool = False,
) -> Numbers:
    """Distances of the predicted joints, in sizes of the person.

    The size of the person in a frame is ``scale`` times the diagonal of the tight box
    round the annotated places of the joints that are predicted as visible. Invisible
    joints are left out rather than missed. So has it ``eval_pck.py`` of UVC and CRW.

    Args:
        points: Predicted x and y in pixels, ``[T, J, 2]``.
        visible: Which of them count, ``[T, J]``.
        truth: Annotated x and y in pixels, ``[T, J, 2]``.
        scale: Share of the diagonal.
        first_frame: Take the first frame, whose joints were given, into account (VFS).

    Returns:
        Distances ``[T, J]``: NaN where a joint does not count, infinite where the size
        is 0 since no other joint is visible.

    Raises:
        ValueError: The shapes do not belong together.
    """
    points, truth = np.asarray(points, np.float64), np.asarray(truth, np.float64)
    if points.shape != truth.shape or visible.shape != truth.shape[:2]:
        raise ValueError(
            f'points {list(points.shape)}, visible {list(visible.shape)} and truth '
            f'{list(truth.shape)} must be [T, J, 2], [T, J] and [T, J, 2]'
        )
    counts = np.array(visible, np.bool_)
    if len(counts) and not first_frame:
        counts[0] = False
    among = counts[..., None]
    low = np.min(np.where(among, truth, np.inf), axis=1, initial=np.inf)
    high = np.max(np.where(among, truth, -np.inf), axis=1, initial=-np.inf)
    with np.errstate(invalid='ignore', divide='ignore'):
        size = scale * np.hypot(*np.moveaxis(high - low, -1, 0))
        distance = np.hypot(*np.moveaxis(points - truth, -1, 0)) / size[:, None]
    # A lone visible joint has a person of size 0 about it: a miss, though 0 / 0.
    distance[counts & ~np.isfinite(distance)] = np.inf
    distance[~counts] = np.nan
    return distance


def pck(
    distances: Sequence[Numbers], thresholds: Sequence[float] = PCK_THRESHOLDS
) -> Mapping[float, Numbers]:
    """Share of correct keypoints of each joint over all videos.

    Args:
        distances: Distances of each video, see :func:`joint_distances`.
        thresholds: Largest distances that are correct.

    Returns:
        For each threshold the shares of the joints ``[J]`` in [0, 1], NaN for a joint
        that never counts. The reported number is their plain mean (without NaN).

    Raises:
        ValueError: There is no video.
    """
    if not distances:
        raise ValueError('there is no video to compute PCK of')
    pooled = np.concatenate(distances)  # [frames, J]
    number = np.count_nonzero(~np.isnan(pooled), axis=0)
    result = {}
    for threshold in thresholds:
        correct = np.count_nonzero(pooled <= threshold, axis=0)
        share = np.full(pooled.shape[1], np.nan)
        np.divide(correct, number, out=share, where=number > 0)
        result[threshold] = share
    return result
