"""Joints to maps and back, against the reference values and loops."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from videomac.models.propagation import PoseCoder

VALUES = Path(__file__).with_name('reference_values.npz')


def test_maps_of_crws_own_code() -> None:
    values = np.load(VALUES)
    maps = PoseCoder().encode(values['pose_points'].T, (40, 40), (40, 40)).numpy()
    want = values['pose_maps_sigma05_40x40']
    np.testing.assert_allclose(maps[:-1], want, atol=1e-6)
    np.testing.assert_array_equal(maps[-1], want.sum(0) == 0)


def test_pixels_are_scaled_to_cells() -> None:
    points = np.array([[100.0, 300.0], [30.0, 200.0]])
    maps = PoseCoder().encode(points, (40, 40), (240, 320))
    # 100 / 8 = 12.5, 30 / 6 = 5: the patch begins at int(p - 1.5), its peak 2 further on.
    assert divmod(int(maps[0].argmax()), 40) == (5, 13)
    assert divmod(int(maps[1].argmax()), 40) == (33, 38)
    assert maps[0].max() == 1


@settings(max_examples=200, deadline=None)
@given(x=st.floats(-60, 60), y=st.floats(-60, 60), sigma=st.sampled_from([0.5, 1.0]))
def test_gaussian_by_loops(x: float, y: float, sigma: float) -> None:
    coder = PoseCoder(sigma=sigma, background=False)
    got = coder.encode(np.array([[x], [y]]), (20, 30), (20, 30))[0].numpy()
    size = int(6 * sigma + 1)
    left, top = int(x - 3 * sigma), int(y - 3 * sigma)
    want = np.zeros((20, 30))
    for i in range(size):
        for j in range(size):
            row, col = top + i, left + j
            # The far edge is truncated towards zero as well.
            row_in = 0 <= row < min(20, int(y + 3 * sigma + 1))
            col_in = 0 <= col < min(30, int(x + 3 * sigma + 1))
            if row_in and col_in:
                distance = (i - size // 2) ** 2 + (j - size // 2) ** 2
                want[row, col] = math.exp(-distance / (2 * sigma**2))
    np.testing.assert_allclose(got, want, atol=1e-6)


def test_weighted_mean_of_the_best_cells() -> None:
    maps = torch.zeros(3, 8, 10)
    maps[0, 2, 3], maps[0, 2, 4], maps[0, 6, 9], maps[0, 0, 0] = 0.6, 0.3, 0.1, 0.05
    points, visible = PoseCoder(top=3).decode_maps(maps, (16, 40))
    assert visible.tolist() == [True, False]  # the last map is the background
    x = 0.6 * 3 + 0.3 * 4 + 0.1 * 9
    y = 0.6 * 2 + 0.3 * 2 + 0.1 * 6
    np.testing.assert_allclose(points[:, 0], [x * 4, y * 2], rtol=1e-6)
    np.testing.assert_array_equal(points[:, 1], [-1, -1])


def test_more_cells_than_there_are() -> None:
    maps = torch.tensor([[[1.0, 3.0]]])
    points, _ = PoseCoder(top=5, background=False).decode_maps(maps, (1, 2))
    np.testing.assert_allclose(points[:, 0], [0.75, 0.0])


def test_vfs_draws_and_decodes_on_pixels() -> None:
    coder = PoseCoder(sigma=4, draw='pixels', background=False, top=5, decode='pixels')
    points = np.array([[120.0], [81.0]])
    maps = coder.encode(points, (30, 40), (240, 320))
    rows, cols = np.mgrid[:240, :320]
    full = np.exp(-((rows - 81) ** 2 + (cols - 120) ** 2) / 32)
    full[(abs(rows - 81) > 12) | (abs(cols - 120) > 12)] = 0
    want = cv2.resize(full.astype(np.float32), (40, 30))
    np.testing.assert_allclose(maps[0].numpy(), want, atol=1e-5)
    got, _ = coder.decode_maps(maps, (240, 320))
    assert np.abs(got - points).max() < 4  # half a cell of 8 pixels


def test_a_joint_outside_has_an_empty_map() -> None:
    maps = PoseCoder().encode(np.array([[-50.0], [10.0]]), (40, 40), (320, 320))
    assert maps[0].sum() == 0
    assert (maps[1] == 1).all()
    points, visible = PoseCoder().decode_maps(maps, (320, 320))
    assert not visible[0]
    assert (points == -1).all()


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match='finite'):
        PoseCoder().encode(np.array([[np.nan], [1.0]]), (4, 4), (32, 32))
    with pytest.raises(ValueError, match='sigma must be positive'):
        PoseCoder(sigma=0)
    with pytest.raises(ValueError, match=r'top must be .* got 1\.5'):
        PoseCoder(top=1.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"background must be .* got 'no'"):
        PoseCoder(background='no')  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"must be one of .* got 'grid'"):
        PoseCoder(draw='grid')  # type: ignore[arg-type]
