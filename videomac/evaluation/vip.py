"""Scores of VIP: mean IoU over the classes of body parts, and AP of their instances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    'AP_THRESHOLDS',
    'NUM_CLASSES',
    'InstanceMatches',
    'average_precision',
    'class_iou',
    'confusion_matrix',
    'instance_matches',
    'mean_iou',
]

Ids = NDArray[np.uint8]
NUM_CLASSES = 20  # with background, 0
AP_THRESHOLDS = tuple(round(0.1 * i, 1) for i in range(1, 10))


def confusion_matrix(
    prediction: Ids, truth: Ids, num_classes: int = NUM_CLASSES
) -> NDArray[np.int64]:
    """Count the pixels of each pair of classes.

    Args:
        prediction: Predicted classes ``[H, W]``.
        truth: Annotated classes ``[H, W]``; pixels of values that are no class, such as
            255, are left out.
        num_classes: Number C of classes.

    Returns:
        Counts ``[C, C]``: rows are annotated, columns predicted classes.

    Raises:
        ValueError: The sizes differ, or a value predicted for an annotated pixel is no
            class.
    """
    if prediction.shape != truth.shape:
        raise ValueError(
            f'prediction {list(prediction.shape)} and annotation {list(truth.shape)} '
            'must be of one size [H, W]; resize the prediction with nearest neighbours'
        )
    valid = truth < num_classes
    predicted, annotated = prediction[valid], truth[valid]
    largest = int(predicted.max(initial=0))
    if largest >= num_classes:
        raise ValueError(
            f'the prediction has the value {largest}; classes are 0 to {num_classes - 1}'
        )
    pairs = annotated.astype(np.int64) * num_classes + predicted
    counts = np.bincount(pairs, minlength=num_classes * num_classes)
    return counts.reshape(num_classes, num_classes)


def class_iou(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Intersection over union of each class.

    Args:
        confusion: Counts ``[C, C]`` over all frames of all videos.

    Returns:
        IoU of the classes ``[C]``: NaN for a class that is neither annotated nor
        predicted, 0 for one that is only predicted.
    """
    hits = np.diag(confusion).astype(np.float64)
    union = confusion.sum(0) + confusion.sum(1) - np.diag(confusion)
    return np.divide(hits, union, out=np.full(len(hits), np.nan), where=union > 0)


def mean_iou(confusion: NDArray[np.int64], include_background: bool = True) -> float:
    """Mean IoU over the classes that occur.

    Args:
        confusion: Counts ``[C, C]`` over all frames of all videos.
        include_background: Average over class 0 too, as the published numbers do.

    Returns:
        Mean IoU in [0, 1], NaN if no class occurs.
    """
    iou = class_iou(confusion)[0 if include_background else 1 :]
    return float(np.nanmean(iou)) if np.isfinite(iou).any() else np.nan


@dataclass(frozen=True, slots=True)
class InstanceMatches:
    """Predicted instances of one class, and how many there were to find.

    Args:
        overlaps: Best IoU of each predicted instance with an annotated one of its class
            in its frame, ``[N]``, in increasing id.
        scores: Confidence of each, ``[N]``.
        num_truths: Number of annotated instances.
    """

    overlaps: NDArray[np.float64]
    scores: NDArray[np.float64]
    num_truths: int


def instance_matches(
    prediction: Ids,
    truth: Ids,
    predicted_classes: Mapping[int, int],
    true_classes: Mapping[int, int],
) -> dict[int, InstanceMatches]:
    """Match the instances of one frame.

    An annotated instance may be the best match of several predicted ones: the official
    script keeps no account of those that are taken. Propagation gives no confidence, so
    that all scores are 1.

    Args:
        prediction: Predicted instance ids ``[H, W]``, 0 for none.
        truth: Annotated instance ids ``[H, W]``.
        predicted_classes: Class of each predicted instance (frame 0 gives it).
        true_classes: Class of each annotated instance of this frame.

    Returns:
        Matches by class, of the classes with a predicted or an annotated instance.

    Raises:
        ValueError: The sizes differ.
    """
    if prediction.shape != truth.shape:
        raise ValueError(
            f'prediction {list(prediction.shape)} and annotation {list(truth.shape)} '
            'must be of one size [H, W]; resize the prediction with nearest neighbours'
        )
    # Pixels of each pair of ids; ids are 8 bits wide.
    pairs = prediction.astype(np.int64) * 256 + truth
    shared = np.bincount(pairs.ravel(), minlength=65536).reshape(256, 256)
    predicted_area, true_area = shared.sum(1), shared.sum(0)
    found: dict[int, list[float]] = {}
    number: dict[int, int] = {}
    for instance, kind in true_classes.items():
        if instance and true_area[instance]:
            number[kind] = number.get(kind, 0) + 1
    for instance, kind in sorted(predicted_classes.items()):
        if not instance or not predicted_area[instance]:
            continue
        others = [
            other for other, its in true_classes.items() if its == kind and other != 0
        ]
        union = predicted_area[instance] + true_area[others] - shared[instance, others]
        overlaps = shared[instance, others] / union
        found.setdefault(kind, []).append(float(overlaps.max(initial=0.0)))
    return {
        kind: InstanceMatches(
            np.array(found.get(kind, []), np.float64),
            np.ones(len(found.get(kind, []))),
            number.get(kind, 0),
        )
        for kind in found.keys() | number.keys()
    }


def average_precision(matches: Sequence[InstanceMatches], threshold: float) -> float:
    """Average precision of one class over frames.

    The area under the envelope of precision over recall, as PASCAL VOC has it since
    2010. A predicted instance is right if its best IoU is above the threshold. Equal
    scores are ranked from the last to the first, as VIP's script does, which turns round
    what argsort gives (``evaluate/test_inst_part_ap.py`` of ATEN).

    Args:
        matches: Matches of one class in all frames, in their order.
        threshold: IoU in [0, 1).

    Returns:
        AP in [0, 1]; NaN if the class has neither annotated nor predicted instances,
        and 0 if it has predicted ones alone.
    """
    num_truths = sum(item.num_truths for item in matches)
    overlaps = np.concatenate([item.overlaps for item in matches] or [np.empty(0)])
    scores = np.concatenate([item.scores for item in matches] or [np.empty(0)])
    if num_truths == 0:
        return 0.0 if len(overlaps) else np.nan
    right = overlaps[np.argsort(scores, kind='stable')[::-1]] > threshold
    hits = np.cumsum(right)
    precision = hits / np.arange(1, len(right) + 1)
    recall = np.concatenate([[0.0], hits / num_truths])
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall) * envelope))
