"""Heat maps: similarities by their formula, peaks where features were planted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from videomac.visualization import affinity_sheet, agreement
from videomac.visualization.affinity import choose_points
from videomac.visualization.affinity_sheet import CAPTION, GAP, HEADING, heat_overlay

Picture = NDArray[np.uint8]


def grey(height: int, width: int, value: int = 128) -> Picture:
    return np.full((height, width, 3), value, np.uint8)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(
    cells=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    others=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    strides=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    channels=st.integers(1, 5),
    seed=st.integers(0, 999),
)
def test_against_the_formula(
    cells: tuple[int, int],
    others: tuple[int, int],
    strides: tuple[int, int],
    channels: int,
    seed: int,
) -> None:
    """Cosine of the cell that holds the point with each cell; centre of the best."""
    rng = np.random.default_rng(seed)
    first = rng.normal(size=(channels, *cells))
    second = rng.normal(size=(channels, *others))
    row, column = (int(rng.integers(n)) for n in cells)
    # Any pixel of the cell.
    pairs = zip(strides, (row, column), strict=True)
    y, x = (stride * k + int(rng.integers(stride)) for stride, k in pairs)
    size = (strides[0] * cells[0], strides[1] * cells[1])
    other_size = (3 * others[0], 5 * others[1])
    found = agreement((x, y), torch.tensor(first), size, torch.tensor(second), other_size)
    a = first[:, row, column]
    for i in range(others[0]):
        for j in range(others[1]):
            b = second[:, i, j]
            cosine = a @ b / np.sqrt((a @ a) * (b @ b))
            assert found.scores[i, j] == pytest.approx(cosine, abs=1e-5)
    bx, by = found.best
    # The centre of a cell of 3 x 5 pixels is its second and third pixel.
    i, j = round((by - 1) / 3), round((bx - 2) / 5)
    assert (by, bx) == pytest.approx((3 * i + 1, 5 * j + 2))
    assert found.scores[i, j] == found.scores.max()


def test_planted_feature() -> None:
    """A feature moved from one place to another is found there, in value and picture."""
    torch.manual_seed(0)
    first, second = torch.randn(2, 16, 6, 8)
    second[:, 4, 1] = 3 * first[:, 2, 5]
    found = agreement((45, 20), first, (48, 64), second, (96, 128))
    assert found.best == (1.5 * 16 - 0.5, 4.5 * 16 - 0.5)
    assert found.scores[4, 1] == pytest.approx(1, abs=1e-6)
    heat = heat_overlay(grey(96, 128), found.scores).astype(int).sum(axis=2)
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    assert (y // 16, x // 16) == (4, 1)


@pytest.mark.parametrize('point', [(64, 5), (-1, 5), (5, 48), (5, -0.6), (np.nan, 5)])
def test_points_outside(point: tuple[float, float]) -> None:
    features = torch.randn(4, 6, 8)
    with pytest.raises(ValueError, match=r'outside of the frame of 64 x 48 .*0\.\.63'):
        agreement(point, features, (48, 64), features, (48, 64))


def test_features_that_are_not_finite() -> None:
    features = torch.full((4, 6, 8), torch.nan)
    with pytest.raises(ValueError, match='not finite: check the checkpoint'):
        agreement((3, 3), features, (48, 64), features, (48, 64))


def test_chosen_points() -> None:
    """Corners of bright squares, far from each other and from the border; then a grid."""
    frame = grey(120, 200, 20)
    for y, x in ((30, 40), (30, 130), (80, 90)):
        frame[y : y + 12, x : x + 12] = 240
    points = choose_points(frame, 3)
    for y, x in ((30, 40), (30, 130), (80, 90)):
        near = [(a, b) for a, b in points if abs(a - x - 6) < 12 and abs(b - y - 6) < 12]
        assert len(near) == 1
    assert choose_points(grey(60, 80), 4) == [
        (19.5, 14.5),
        (59.5, 14.5),
        (19.5, 44.5),
        (59.5, 44.5),
    ]
    for height, width, count in ((1, 1, 1), (3, 200, 7), (50, 50, 30)):
        noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        points = choose_points(noise, count)
        assert len(points) == count
        for px, py in points:
            assert 0 <= px < width
            assert 0 <= py < height


def test_colours_of_heat() -> None:
    """Brightness rises with the score, between the limits, and no further."""
    scores = np.linspace(-1, 1, 9, dtype=np.float32).reshape(1, 9)
    # One cell a pixel: nothing is interpolated.
    light = heat_overlay(grey(1, 9), scores).astype(int).sum(axis=2)[0]
    assert (np.diff(light) > 0).all()
    cut = heat_overlay(grey(1, 9), scores, (-0.5, 0.5)).astype(int).sum(axis=2)[0]
    assert (cut[[0, 1, 2]] == cut[2]).all()
    assert (cut[[6, 7, 8]] == cut[6]).all()
    assert (np.diff(cut[2:7]) > 0).all()
    assert (cut[[2, 6]] == light[[0, 8]]).all()
    even = heat_overlay(grey(4, 4), np.full((2, 2), 0.5, np.float32))
    assert (even == even[0, 0]).all()
    with pytest.raises(ValueError, match='limits must rise, got 1 and 1'):
        heat_overlay(grey(1, 9), scores, (1.0, 1.0))


def test_sheet() -> None:
    """A row for each point; with itself a column more, in which the point is best."""
    torch.manual_seed(0)
    first, second = torch.randn(8, 6, 8), torch.randn(8, 3, 3)
    frames = (grey(480, 640), grey(300, 300))
    points = [(100.0, 100.0), (500.0, 400.0)]
    # 480 x 640 fits into the panel of 400 x 480 at 3/4; 300 x 300 grows to 400 x 400.
    sheet, found = affinity_sheet(frames, (first, second), points, note='a note')
    rows = 2 * (400 + CAPTION + GAP)
    assert sheet.shape == (2 * HEADING + rows, 480 + 400 + 3 * GAP, 3)
    for point, match in zip(points, found, strict=True):
        expected = agreement(point, first, (480, 640), second, (300, 300))
        assert np.array_equal(match.scores, expected.scores)
    with_self, again = affinity_sheet(frames, (first, second), points, True)
    assert with_self.shape == (HEADING + rows, 480 + 480 + 400 + 4 * GAP, 3)
    assert [match.best for match in again] == [match.best for match in found]
    # The ring in frame 1 is round the point.
    x, y = (round(0.75 * (c + 0.5) - 0.5) for c in points[0])
    panel = sheet[2 * HEADING + CAPTION :, GAP:]
    assert tuple(panel[y, x]) == (128, 128, 128)
    assert (panel[y, x + 9] > 220).all()
    assert (panel[y - 9, x] > 220).all()
    # And in the heat map of frame 1, not in the middle of the point's cell.
    own = with_self[HEADING + CAPTION :, GAP + 480 + GAP :]
    assert (own[y, x + 9] > 220).all()
    away = np.ones((360, 480), bool)
    away[y - 14 : y + 15, x - 14 : x + 15] = False
    assert (panel[:360, :480][away] == 128).all()
    with pytest.raises(ValueError, match='no point to compare'):
        affinity_sheet(frames, (first, second), [])
    with pytest.raises(ValueError, match=r'\(640, 3\) lies outside'):
        affinity_sheet(frames, (first, second), [(640.0, 3.0)])


def test_long_notes_are_wrapped() -> None:
    """The heading of a narrow sheet grows by lines instead of being cut off."""
    features = torch.randn(8, 6, 8)
    frames = (grey(40, 20), grey(40, 20))
    sizes = []
    for words in (1, 40):
        note = ' '.join(['words'] * words)
        sheet, _ = affinity_sheet(frames, (features, features), [(3.0, 3.0)], note=note)
        sizes.append(sheet.shape)
    assert sizes[1][1] == sizes[0][1]
    assert (sizes[1][0] - sizes[0][0]) % HEADING == 0
    assert sizes[1][0] > sizes[0][0]
