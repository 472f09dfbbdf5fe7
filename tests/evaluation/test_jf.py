"""J and F against the official figures, closed forms, loops and a plain statement."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.real_data import real_data
from videomac.datasets.label_maps import LabelFiles
from videomac.evaluation.jf import (
    VideoScores,
    global_scores,
    num_objects_of,
    score_frame,
    score_video,
    statistics,
    tolerance_pixels,
)

Ids = NDArray[np.uint8]
HERE = Path(__file__).parent
# Drawn masks, and what the official davis2017-evaluation code scores them.
MASKS = np.load(HERE / 'davis_mini.npz')
OFFICIAL = json.loads((HERE / 'davis_mini.json').read_text())


@pytest.mark.parametrize('method', ['shift', 'mixed'])
def test_official_scores_of_the_drawn_videos(method: str) -> None:
    videos = {
        name: score_video(MASKS[f'{method}/{name}'], MASKS[f'truth/{name}'])
        for name in ('alpha', 'bravo', 'charlie')
    }
    assert global_scores(videos) == pytest.approx(OFFICIAL[method]['global'], abs=1e-9)
    objects = OFFICIAL[method]['per_object']
    assert sum(video.num_objects for video in videos.values()) == len(objects)
    for label, expected in objects.items():
        name, k = label.split('_')
        for measure in ('J', 'F'):
            row = getattr(videos[name], measure)[int(k) - 1]
            np.testing.assert_allclose(row, expected[measure], rtol=0, atol=1e-9)
            numbers = statistics(row)
            found = (numbers.mean, numbers.recall, numbers.decay)
            wanted = [expected[f'{measure}-{n}'] for n in ('Mean', 'Recall', 'Decay')]
            assert found == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize(
    ('video', 'J', 'F'),
    [
        ('blackswan', 0.943020, 0.974096),
        ('camel', 0.859459, 0.890534),
        ('car-shadow', 0.928402, 0.917407),
        ('dog', 0.710792, 0.691109),
    ],
)
def test_official_scores_of_osvos(video: str, J: float, F: float) -> None:
    root = real_data('davis2017')
    predictions = sorted((root / 'osvos_predictions' / video).glob('*.png'))
    truths = sorted((root / 'Annotations' / '480p' / video).glob('*.png'))
    scores = score_video(LabelFiles(predictions), LabelFiles(truths))
    assert round(float(scores.J.mean()), 6) == J
    assert round(float(scores.F.mean()), 6) == F


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Ids, Ids, int]:
    """Predicted and annotated ids: rectangles, at times shared, at times noise."""
    size = draw(st.integers(2, 90)), draw(st.integers(2, 140))
    objects = draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    maps = []
    for _ in range(2):
        ids = np.zeros(size, np.uint8)
        for k in range(1, objects + 1):
            if rng.random() < 0.15:
                continue
            y, x = np.sort(rng.integers(0, size[0] + 1, 2)), rng.integers(0, size[1], 2)
            ids[y[0] : y[1], min(x) : max(x) + 1] = k
        noise = rng.random(size) < draw(st.sampled_from([0.0, 0.02, 0.5]))
        ids[noise] = rng.integers(0, objects + 1, int(noise.sum()))
        maps.append(ids)
    if draw(st.booleans()):
        maps[1] = np.roll(maps[0], draw(st.integers(-4, 4)), draw(st.integers(0, 1)))
    return maps[0], maps[1], objects


@given(pairs(), st.sampled_from([0.008, 0.05, 3]))
@settings(deadline=None)
def test_plain_statement_on_whole_pictures(
    pair: tuple[Ids, Ids, int], bound: float
) -> None:
    pytest.importorskip('scipy', reason='the plain statement dilates with SciPy')
    from benchmarks.plain_jf import dilate_cv2, dilate_scipy, score_object

    prediction, truth, objects = pair
    J, F = score_frame(prediction, truth, objects, bound)
    # The plain statement knows shares of the diagonal only.
    share = bound if bound < 1 else bound / np.linalg.norm(truth.shape) * (1 - 1e-12)
    for k in range(1, objects + 1):
        for dilate in (dilate_scipy, dilate_cv2):
            expected = score_object(prediction == k, truth == k, dilate, share)
            assert (J[k - 1], F[k - 1]) == pytest.approx(expected, abs=1e-12)


def loop_f(prediction: NDArray[np.bool_], truth: NDArray[np.bool_], radius: int) -> float:
    """F by going through all pairs of boundary pixels."""

    def edges(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
        height, width = mask.shape
        found = []
        for y in range(height):
            for x in range(width):
                last_row, last_column = y == height - 1, x == width - 1
                other = []
                if not last_column:
                    other.append((y, x + 1))
                if not last_row:
                    other.append((y + 1, x))
                if not last_row and not last_column:
                    other.append((y + 1, x + 1))
                if any(mask[y, x] != mask[place] for place in other):
                    found.append((y, x))
        return found

    def share(some: list[tuple[int, int]], others: list[tuple[int, int]]) -> float:
        near = [
            any((y - v) ** 2 + (x - u) ** 2 <= radius**2 for v, u in others)
            for y, x in some
        ]
        return sum(near) / len(near)

    mine, true = edges(prediction), edges(truth)
    if not mine or not true:
        return float(not mine and not true)
    precision, recall = share(mine, true), share(true, mine)
    total = precision + recall
    return 2 * precision * recall / total if total else 0.0


@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.1, 0.5, 0.9]),
    st.integers(1, 4),
)
def test_tiny_masks_pixel_by_pixel(
    height: int, width: int, seed: int, share: float, radius: int
) -> None:
    rng = np.random.default_rng(seed)
    prediction, truth = rng.random((2, height, width)) < share
    J, F = score_frame(prediction.astype(np.uint8), truth.astype(np.uint8), 1, radius)
    assert F[0] == pytest.approx(loop_f(prediction, truth, radius), abs=1e-12)
    union = sum(bool(p or t) for p, t in zip(prediction.flat, truth.flat, strict=True))
    both = sum(bool(p and t) for p, t in zip(prediction.flat, truth.flat, strict=True))
    assert J[0] == (both / union if union else 1.0)


def test_a_boundary_in_the_first_corner_grows_without_gaps() -> None:
    prediction, truth = (
        np.array([[0, 1, 1, 1]], np.uint8),
        np.array([[0, 0, 0, 1]], np.uint8),
    )
    # Boundary pixels 0 and 2 of the only row: two apart.
    assert [score_frame(prediction, truth, 1, r)[1][0] for r in (1, 2, 3, 4)] == [
        0,
        1,
        1,
        1,
    ]


@pytest.mark.parametrize('shift', [0, 1, 5, 20])
def test_shifted_squares_have_a_closed_form(shift: int) -> None:
    side, size = 20, (100, 160)
    truth, prediction = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    truth[30:50, 40:60] = 1
    prediction[30:50, 40 + shift : 60 + shift] = 1
    radius = 1
    J, F = score_frame(prediction, truth, 1, radius)
    assert J[0] == pytest.approx((side - shift) / (side + shift))
    # The boundary is the outline of the square grown by one to the upper left: 4 * side
    # pixels, two rows of side + 1 and two columns of side - 1 between them.
    if shift <= radius:
        assert F[0] == 1
    elif shift == 5:
        # Rows match but for the 5 - 1 pixels that reach out beyond the radius; of the
        # columns, those of one lie next to the other's rows at their two ends.
        rows = 2 * (side + 1 - (shift - radius))
        assert F[0] == pytest.approx((rows + 2) / (4 * side))
    else:
        # Only the touching columns lie on one another, with a neighbour of each row.
        assert F[0] == pytest.approx((side + 1 + 2) / (4 * side))


@pytest.mark.parametrize(
    ('predicted', 'annotated', 'J', 'F'),
    [
        ('none', 'none', 1, 1),
        ('square', 'none', 0, 0),
        ('none', 'square', 0, 0),
        ('all', 'all', 1, 1),
        # A mask that fills the picture has no boundary at all.
        ('all', 'none', 0, 1),
        ('all', 'square', 0.01, 0),
    ],
)
def test_empty_and_full_masks(predicted: str, annotated: str, J: float, F: float) -> None:
    masks = {
        'none': np.zeros((40, 40), np.uint8),
        'all': np.ones((40, 40), np.uint8),
        'square': np.zeros((40, 40), np.uint8),
    }
    masks['square'][8:12, 8:12] = 1
    scores = score_frame(masks[predicted], masks[annotated], 1)
    assert (scores[0][0], scores[1][0]) == (J, F)


def test_void_pixels_count_for_neither_measure() -> None:
    truth, prediction = np.zeros((2, 30, 30), np.uint8)
    truth[5:15, 5:15] = 1
    prediction[5:15, 5:25] = 1
    void = np.zeros((30, 30), bool)
    void[:, 15:] = True
    J, F = score_frame(prediction, truth, 1, void=void)
    assert (J[0], F[0]) == (1, 1)
    J, F = score_frame(prediction, truth, 1)
    assert J[0] == 0.5
    assert F[0] < 1


def test_void_of_an_annotation_is_background() -> None:
    truth = np.zeros((5, 20, 20), np.uint8)
    truth[:, 4:10, 4:10] = 2
    truth[:, 15:] = 255
    scores = score_video(np.where(truth == 255, 0, truth).astype(np.uint8), truth)
    # Id 1 never occurs, but counts: empty in both.
    assert scores.num_objects == num_objects_of(truth[0]) == 2
    assert scores.J.min() == scores.F.min() == 1


def test_objects_that_enter_later_are_background() -> None:
    truth = np.zeros((4, 12, 12), np.uint8)
    truth[:, 2:5, 2:5] = 1
    truth[1:, 7:10, 7:10] = 2
    prediction = np.where(truth == 2, 0, truth).astype(np.uint8)
    scores = score_video(prediction, truth)
    assert scores.J.shape == (1, 2)
    assert scores.J.min() == 1


@pytest.mark.parametrize(
    ('size', 'pixels'),
    [((480, 854), 8), ((480, 910), 9), ((480, 1152), 10), ((120, 200), 2)],
)
def test_tolerance_of_the_official_sizes(size: tuple[int, int], pixels: int) -> None:
    assert tolerance_pixels(*size) == pixels


@pytest.mark.parametrize('bound', [-0.1, 1.5])
def test_bad_tolerance(bound: float) -> None:
    with pytest.raises(ValueError, match='bound must be'):
        tolerance_pixels(480, 854, bound)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=100))
def test_statistics_over_the_official_quarters(values: list[float]) -> None:
    numbers = statistics(np.array(values))
    assert numbers.mean == pytest.approx(sum(values) / len(values))
    assert numbers.recall == sum(value > 0.5 for value in values) / len(values)

    # round() of NumPy goes to even numbers; 1e-10 lifts halves before that.
    def cut(quarter: int) -> int:
        place = 1 + (len(values) - 1) * quarter / 4
        below = int(place)
        return below - 1 + (place - below + 1e-10 > 0.5)

    first = values[: cut(1) + 1]
    last = values[cut(3) : len(values)]
    expected = sum(first) / len(first) - sum(last) / len(last)
    assert numbers.decay == pytest.approx(expected)


def test_decay_of_a_steady_fall_and_of_long_videos() -> None:
    # 9 frames are cut at 1, 3, 5, 7, 9: quarters of three frames share their ends.
    assert statistics(np.arange(9.0)[::-1]).decay == pytest.approx(7 - 1)
    fall = np.linspace(1, 0, 401)
    assert statistics(fall).decay == pytest.approx(0.75)


def test_no_frames_no_statistics() -> None:
    numbers = statistics(np.empty(0))
    assert np.isnan([numbers.mean, numbers.recall, numbers.decay]).all()


def test_global_scores_are_means_over_objects_not_videos() -> None:
    one = VideoScores(np.array([[1.0, 1.0]]), np.array([[0.8, 0.8]]), (1, 2))
    three = VideoScores(np.zeros((3, 2)), np.full((3, 2), 0.4), (1, 2))
    scores = global_scores({'a': one, 'b': three})
    assert scores['J-Mean'] == 0.25
    assert scores['F-Mean'] == pytest.approx(0.5)
    assert scores['J&F-Mean'] == pytest.approx(0.375)
    assert next(iter(scores)) == 'J&F-Mean'


def test_all_frames_on_demand() -> None:
    truth = MASKS['truth/alpha']
    assert score_video(truth, truth).frames == tuple(range(1, len(truth) - 1))
    every = score_video(truth, truth, all_frames=True)
    assert every.frames == tuple(range(len(truth)))
    assert every.J.shape == (3, len(truth))


def test_bad_predictions_are_explained() -> None:
    truth = np.zeros((4, 8, 8), np.uint8)
    truth[:, 2:5, 2:5] = 1
    with pytest.raises(ValueError, match='3 predicted frames for 4 annotated'):
        score_video(truth[:3], truth)
    with pytest.raises(ValueError, match='id 2, but the first annotation has 1 obj'):
        score_video(truth * 2, truth)
    with pytest.raises(ValueError, match='not black and white'):
        score_video(truth * 255, truth)
    with pytest.raises(ValueError, match=r'frame 1: .*\[7, 8\].*\[8, 8\]'):
        score_video(truth[:, 1:], truth)
    with pytest.raises(ValueError, match='without frames'):
        score_video([], [])
