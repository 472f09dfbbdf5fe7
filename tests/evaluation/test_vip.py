"""Mean IoU and average precision of instances against loops and worked examples."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from videomac.datasets.vip import VIP_CLASSES
from videomac.evaluation import VIPInstanceAP
from videomac.evaluation.vip import (
    InstanceMatches,
    average_precision,
    class_iou,
    confusion_matrix,
    instance_matches,
    mean_iou,
)

Ids = NDArray[np.uint8]


@given(
    st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1), st.integers(2, 20)
)
def test_confusion_counts_pairs_pixel_by_pixel(
    height: int, width: int, seed: int, classes: int
) -> None:
    rng = np.random.default_rng(seed)
    prediction = rng.integers(0, classes, (height, width)).astype(np.uint8)
    truth = rng.integers(0, classes + 3, (height, width)).astype(np.uint8)
    truth[truth == classes + 2] = 255
    expected = np.zeros((classes, classes), int)
    for p, t in zip(prediction.flat, truth.flat, strict=True):
        if t < classes:
            expected[t, p] += 1
    assert np.array_equal(confusion_matrix(prediction, truth, classes), expected)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_mean_iou_over_frames_by_sets_of_pixels(seed: int, frames: int) -> None:
    rng = np.random.default_rng(seed)
    predictions = rng.integers(0, 6, (frames, 5, 7)).astype(np.uint8)
    truths = rng.integers(0, 4, (frames, 5, 7)).astype(np.uint8)
    total = np.zeros((20, 20), np.int64)
    for prediction, truth in zip(predictions, truths, strict=True):
        total += confusion_matrix(prediction, truth)
    ious = {}
    for kind in range(20):
        mine = set(np.flatnonzero(predictions == kind))
        true = set(np.flatnonzero(truths == kind))
        if mine | true:
            ious[kind] = len(mine & true) / len(mine | true)
    assert mean_iou(total) == pytest.approx(np.mean(list(ious.values())))
    ious.pop(0, None)
    parts = mean_iou(total, include_background=False)
    assert parts == pytest.approx(np.mean(list(ious.values())))


def test_classes_that_are_only_predicted_score_zero_and_absent_ones_nothing() -> None:
    truth = np.array([[0, 0, 1, 1]], np.uint8)
    prediction = np.array([[0, 0, 1, 2]], np.uint8)
    iou = class_iou(confusion_matrix(prediction, truth))
    assert iou[:3].tolist() == [1, 0.5, 0]
    assert np.isnan(iou[3:]).all()


def test_no_class_no_mean() -> None:
    assert np.isnan(mean_iou(np.zeros((20, 20), np.int64)))


def test_bad_predictions_are_explained() -> None:
    truth = np.zeros((4, 4), np.uint8)
    with pytest.raises(ValueError, match='value 20; classes are 0 to 19'):
        confusion_matrix(np.full((4, 4), 20, np.uint8), truth)
    truth[0, 0] = 255  # as predictions that are a copy of the annotation have it
    assert confusion_matrix(truth, truth).sum() == 15
    with pytest.raises(ValueError, match='one size'):
        confusion_matrix(truth[:2], truth)
    with pytest.raises(ValueError, match='one size'):
        instance_matches(truth[:2], truth, {}, {})


def matches(overlaps: list[float], truths: int) -> InstanceMatches:
    return InstanceMatches(np.array(overlaps), np.ones(len(overlaps)), truths)


def test_average_precision_by_hand() -> None:
    # From the last to the first: right, wrong, right; three to find. Precision 1, 1/2,
    # 2/3; the envelope is 1 up to a recall of 1/3 and 2/3 up to 2/3.
    frames = [matches([0.8, 0.1], 2), matches([0.6], 1)]
    assert average_precision(frames, 0.5) == pytest.approx(1 / 3 + 2 / 3 / 3)
    # Wrong, wrong, right: a precision of 1/3 at the one step of the recall.
    assert average_precision(frames, 0.7) == pytest.approx(1 / 3 / 3)
    assert average_precision(frames, 0.9) == 0
    assert average_precision(frames, 0.8) == 0, 'an IoU at the threshold is not above it'


def test_scores_rank_the_instances() -> None:
    one = InstanceMatches(np.array([0.0, 0.9]), np.array([0.1, 0.8]), 1)
    assert average_precision([one], 0.5) == 1


def test_average_precision_of_classes_without_instances() -> None:
    assert np.isnan(average_precision([], 0.5))
    assert np.isnan(average_precision([matches([], 0)], 0.5))
    assert average_precision([matches([0.9], 0)], 0.5) == 0
    assert average_precision([matches([], 3)], 0.5) == 0


@given(st.integers(0, 2**32 - 1))
def test_instances_are_matched_within_their_class(seed: int) -> None:
    rng = np.random.default_rng(seed)
    prediction, truth = rng.integers(0, 6, (2, 6, 7)).astype(np.uint8)
    kinds = {i: int(rng.integers(1, 4)) for i in range(1, 6)}
    true_kinds = {i: int(rng.integers(1, 4)) for i in range(1, 6)}
    found = instance_matches(prediction, truth, kinds, true_kinds)
    for kind in (1, 2, 3):
        expected, number = [], 0
        for i in range(1, 6):
            if true_kinds[i] == kind and (truth == i).any():
                number += 1
            if kinds[i] != kind or not (prediction == i).any():
                continue
            best = 0.0
            for j in range(1, 6):
                if true_kinds[j] == kind:
                    mine, true = prediction == i, truth == j
                    best = max(best, (mine & true).sum() / (mine | true).sum())
            expected.append(best)
        if not expected and not number:
            assert kind not in found
            continue
        assert found[kind].overlaps.tolist() == pytest.approx(expected)
        assert found[kind].num_truths == number


class InstanceVideos:
    """Random instance maps of some videos, a few of the classes absent."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.kinds = rng.choice(np.arange(1, 20), 5, replace=False)
        self.videos: dict[str, Any] = {}
        self.masks: dict[str, list[Ids]] = {}
        for name in ('second', 'first'):
            frames = int(rng.integers(1, 5))
            truths = rng.integers(0, 7, (frames, 6, 7)).astype(np.uint8)
            wrong = rng.random((frames, 6, 7)) < rng.random((frames, 1, 1))
            masks = np.where(wrong, rng.integers(0, 7, truths.shape), truths)
            self.masks[name] = list(masks.astype(np.uint8))
            meta = {'labels': list(truths), 'classes': self._classes(rng, frames)}
            self.videos[name] = SimpleNamespace(video=name, meta=meta)

    def _classes(self, rng: np.random.Generator, frames: int) -> list[dict[int, int]]:
        """Classes of the instances 1 to 6 of each frame, in any order of the lines."""
        each = [rng.permutation(np.arange(1, 7)).tolist() for _ in range(frames)]
        return [{i: int(rng.choice(self.kinds)) for i in ids} for ids in each]


def rule(sample: InstanceVideos, kind: int, threshold: float) -> float | None:
    """AP of a class by the rule alone; None where it is neither there nor predicted."""
    right: list[bool] = []
    to_find = 0
    for name, video in sample.videos.items():
        start = video.meta['classes'][0]
        frames = zip(
            sample.masks[name], video.meta['labels'], video.meta['classes'], strict=True
        )
        for mask, truth, classes in frames:
            wanted = [truth == i for i in range(1, 7) if classes[i] == kind]
            wanted = [one for one in wanted if one.any()]
            to_find += len(wanted)
            for i in range(1, 7):
                mine = mask == i
                if start[i] == kind and mine.any():
                    ious = [(mine & one).sum() / (mine | one).sum() for one in wanted]
                    right.append(max(ious, default=0) > threshold)
    if not to_find:
        return 0.0 if right else None
    right.reverse()  # the last instance of the last frame is the first in rank
    precision = [sum(right[:k]) / k for k in range(1, len(right) + 1)]
    steps = [max(precision[k:]) for k in range(len(right)) if right[k]]
    return sum(steps) / to_find


@given(st.integers(0, 2**32 - 1))
def test_instance_ap_is_the_mean_over_all_19_classes(seed: int) -> None:
    sample = InstanceVideos(seed)
    metric = VIPInstanceAP(thresholds=(0.1, 0.3, 0.5, 0.8))
    scores = {
        name: metric.score(video, {'masks': sample.masks[name]})
        for name, video in sample.videos.items()
    }
    summary = metric.summarise(scores)
    table = metric.details(scores, summary)['classes']
    columns = []
    for place, threshold in enumerate(metric.thresholds):
        expected = [rule(sample, kind, threshold) for kind in range(1, 20)]
        for name, value in zip(VIP_CLASSES[1:], expected, strict=True):
            wanted = np.nan if value is None else 100 * value
            assert table[name][place] == pytest.approx(wanted, nan_ok=True)
        columns.append(100 * sum(value or 0 for value in expected) / 19)
        assert summary[f'AP@{threshold}'] == pytest.approx(columns[-1])
    assert summary['AP_vol'] == pytest.approx(np.mean(columns))


def test_instance_ap_of_nothing_is_zero() -> None:
    """Absent classes are 0 in the means, and in the log they are not numbers."""
    metric = VIPInstanceAP()
    scores: dict[str, Any] = {'empty': [{}]}
    summary = metric.summarise(scores)
    assert set(summary.values()) == {0.0}
    lines = metric.tabulate(scores, summary).splitlines()
    assert lines[0].split() == ['class', *(f'AP@0.{i}' for i in range(1, 10)), 'AP_vol']
    assert lines[1].split() == ['hat', *['nan'] * 10]
    assert lines[-1].split() == ['mean', *['0.000'] * 10]
