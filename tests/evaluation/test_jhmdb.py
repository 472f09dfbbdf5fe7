"""PCK against loops over joints and worked examples."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from videomac.evaluation.jhmdb import PCK_THRESHOLDS, joint_distances, pck

Numbers = NDArray[np.float64]


def loop_pck(
    videos: list[tuple[Numbers, Numbers]], threshold: float, first: int = 1
) -> list[float]:
    """Share of correct joints, joint by joint, from the description of ``eval_pck``."""
    number = videos[0][0].shape[1]
    shares = []
    for j in range(number):
        correct = total = 0
        for points, truth in videos:
            for t in range(first, len(points)):
                seen = [i for i in range(number) if points[t, i, 0] >= 0]
                if j not in seen:
                    continue
                xs = [truth[t, i, 0] for i in seen]
                ys = [truth[t, i, 1] for i in seen]
                size = 0.6 * math.hypot(max(xs) - min(xs), max(ys) - min(ys))
                error = math.dist(points[t, j], truth[t, j])
                total += 1
                correct += size > 0 and error / size <= threshold
        shares.append(correct / total if total else math.nan)
    return shares


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.booleans())
def test_loops_over_videos_frames_and_joints(
    seed: int, number: int, first_frame: bool
) -> None:
    rng = np.random.default_rng(seed)
    videos, distances = [], []
    for _ in range(number):
        frames = int(rng.integers(1, 5))
        truth = rng.uniform(-5, 60, (frames, 4, 2))
        points = truth + rng.normal(0, 8, truth.shape)
        points[rng.random((frames, 4)) < 0.4] = -1
        videos.append((points, truth))
        visible = points[..., 0] >= 0
        distances.append(joint_distances(points, visible, truth, 0.6, first_frame))
    shares = pck(distances)
    assert list(shares) == list(PCK_THRESHOLDS)
    for threshold, share in shares.items():
        expected = loop_pck(videos, threshold, 0 if first_frame else 1)
        assert share.tolist() == pytest.approx(expected, nan_ok=True)


def test_size_is_that_of_the_visible_joints() -> None:
    truth = np.zeros((2, 3, 2))
    truth[1] = [[10, 10], [13, 14], [90, 90]]
    points = truth + np.array([3.0, 0])
    points[1, 2] = -1
    visible = points[..., 0] >= 0
    distances = joint_distances(points, visible, truth)
    assert np.isnan(distances[0]).all(), 'the first frame was given'
    assert distances[1, :2].tolist() == pytest.approx([3 / (0.6 * 5)] * 2)
    assert np.isnan(distances[1, 2])


def test_a_lone_joint_is_missed_even_where_it_is_right() -> None:
    truth = np.full((2, 3, 2), 7.0)
    points = truth.copy()
    points[1, 1:] = -1
    distances = joint_distances(points, points[..., 0] >= 0, truth)
    assert distances[1, 0] == np.inf
    assert pck([distances], (0.5,))[0.5][0] == 0


def test_joints_that_are_never_seen_have_no_share() -> None:
    truth = np.arange(24.0).reshape(3, 4, 2)
    visible = np.ones((3, 4), bool)
    visible[:, 2] = False
    share = pck([joint_distances(truth, visible, truth)], (0.1,))[0.1]
    assert share[[0, 1, 3]].tolist() == [1, 1, 1]
    assert np.isnan(share[2])


def test_a_distance_at_the_threshold_is_correct() -> None:
    share = pck([np.array([[0.2], [0.25], [0.3], [np.nan]])], (0.25,))
    assert share[0.25][0] == pytest.approx(2 / 3)


def test_bad_input_is_explained() -> None:
    with pytest.raises(ValueError, match=r'\[T, J, 2\], \[T, J\]'):
        joint_distances(np.zeros((3, 4, 2)), np.ones((3, 5), bool), np.zeros((3, 4, 2)))
    with pytest.raises(ValueError, match='no video'):
        pck([])
