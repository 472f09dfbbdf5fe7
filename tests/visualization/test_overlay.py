"""Labels on frames: colours of the palette, contours, skeletons."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_cdt

from videomac.datasets.jhmdb import JHMDB_JOINTS
from videomac.datasets.label_maps import object_palette
from videomac.visualization.overlay import (
    LEFT,
    LIMBS,
    MIDDLE,
    RIGHT,
    TINT,
    contour_colours,
    line_width,
    overlay_masks,
    overlay_pose,
)

# The first colours that DAVIS's and PASCAL VOC's tables list.
DAVIS = {1: (128, 0, 0), 2: (0, 128, 0), 3: (128, 128, 0), 4: (0, 0, 128)}
Picture = NDArray[np.uint8]


def noise(height: int, width: int, seed: int = 0) -> Picture:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3)).astype(np.uint8)


def blocks(height: int, width: int) -> NDArray[np.uint8]:
    """Objects 1 to 4 in the quarters, with background around and between them."""
    ids = np.zeros((height, width), np.uint8)
    half = (height // 2, width // 2)
    for k in range(4):
        top, left = (k // 2) * half[0] + 4, (k % 2) * half[1] + 4
        ids[top : top + half[0] - 8, left : left + half[1] - 8] = k + 1
    return ids


def test_tints_are_those_of_the_palette() -> None:
    """Inside an object frame and colour are mixed in the stated shares."""
    frame, ids = noise(60, 80), blocks(60, 80)
    picture = overlay_masks(frame, ids, object_palette())
    assert picture.dtype == np.uint8
    for k, colour in DAVIS.items():
        y, x = (c[len(c) // 2] for c in np.nonzero(ids == k))
        y, x = y + 3, x + 10  # not at the edge
        assert ids[y, x] == k
        expected = (1 - TINT) * frame[y, x].astype(float) + TINT * np.array(colour)
        assert np.abs(picture[y, x] - expected).max() <= 0.5
        # Corner of the object: its contour, in the same hue at full brightness.
        top, left = (c.min() for c in np.nonzero(ids == k))
        assert tuple(picture[top, left]) == tuple(2 * c - (c > 0) for c in colour)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    objects=st.integers(1, 5),
    cell=st.integers(1, 12),
    seed=st.integers(0, 99),
)
def test_against_distances(
    height: int, width: int, objects: int, cell: int, seed: int
) -> None:
    """Contours are the pixels of an object whose neighbourhood has another id."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, objects + 1, (height // cell + 1, width // cell + 1))
    ids = coarse.repeat(cell, 0).repeat(cell, 1)[:height, :width].astype(np.uint8)
    frame = noise(height, width, seed)
    before = frame.copy()
    palette = object_palette()
    picture = overlay_masks(frame, ids, palette)
    assert np.array_equal(frame, before)
    assert np.array_equal(picture[ids == 0], frame[ids == 0])
    line = line_width((height, width))
    for k in np.unique(ids[ids > 0]):
        own = ids == k
        if own.all():
            edge = np.zeros_like(own)
        else:
            # Chessboard distance to the next pixel of another id.
            edge = own & (distance_transform_cdt(own, 'chessboard') <= line)
        assert (picture[edge] == contour_colours(palette)[k]).all()
        tinted = (1 - TINT) * frame[own & ~edge] + TINT * palette[k]
        assert np.abs(picture[own & ~edge] - tinted).max(initial=0) <= 0.5


def test_contours_grow_with_the_picture() -> None:
    """Lines of large pictures are wider, so that thumbnails still show them."""
    assert [line_width((side, 2 * side)) for side in (32, 480, 1080)] == [1, 2, 4]


def test_bright_colours() -> None:
    """Hues stay; the brightest channel is 255; black, without a hue, becomes white."""
    palette = object_palette()
    bright = contour_colours(palette)
    assert (bright.max(axis=1) == 255).all()
    assert tuple(bright[0]) == (255, 255, 255)
    share = palette[1:] / palette[1:].max(axis=1, keepdims=True)
    assert np.abs(bright[1:] / 255 - share).max() < 0.5 / 255 + 1e-12


def test_frame_and_labels_of_other_sizes() -> None:
    with pytest.raises(ValueError, match=r'\[4, 6\].*\[4, 5\].*one size'):
        overlay_masks(noise(4, 6), np.zeros((4, 5), np.uint8), object_palette())


# --- poses ----------------------------------------------------------------------


def spread() -> NDArray[np.float64]:
    """15 joints on a circle: no bone passes another joint."""
    angle = 2 * np.pi * np.arange(15) / 15
    return np.stack([80 + 60 * np.cos(angle), 80 + 60 * np.sin(angle)], axis=1)


def test_joints_are_where_they_should_be() -> None:
    """Colours of head and trunk, right and left; a bone at half way between joints."""
    frame = np.full((160, 160, 3), 127, np.uint8)
    points = spread()
    picture = overlay_pose(frame, points, np.ones(15, bool))
    assert (frame == 127).all()
    for name, (x, y) in zip(JHMDB_JOINTS, points, strict=True):
        side = {'right': RIGHT, 'left': LEFT}.get(name.split()[0], MIDDLE)
        assert tuple(picture[round(y), round(x)]) == side
    changed = (picture != 127).any(axis=2)
    assert not changed[:15].any()
    assert not changed[146:].any()
    for a, b in LIMBS:
        x, y = (points[a] + points[b]) / 2
        assert changed[round(y), round(x)]


def test_limbs_are_a_skeleton() -> None:
    """14 bones connect all 15 joints; arms and legs keep to their side."""
    reached = {0}
    for _ in LIMBS:
        reached |= {j for limb in LIMBS if reached & set(limb) for j in limb}
    assert reached == set(range(15))
    assert len(LIMBS) == 14
    names = {frozenset((JHMDB_JOINTS[a], JHMDB_JOINTS[b])) for a, b in LIMBS}
    for side in ('right', 'left'):
        for chain in (
            ('neck', f'{side} shoulder', f'{side} elbow', f'{side} wrist'),
            ('belly', f'{side} hip', f'{side} knee', f'{side} ankle'),
        ):
            assert {frozenset(pair) for pair in pairwise(chain)} <= names


@pytest.mark.parametrize('joint', range(15))
def test_invisible_joints_are_not_drawn(joint: int) -> None:
    """Nor are their bones: the picture is that of a person without the joint."""
    frame = np.full((160, 160, 3), 127, np.uint8)
    points = spread()
    visible = np.arange(15) != joint
    picture = overlay_pose(frame, points, visible)
    x, y = points[joint].round().astype(int)
    assert (picture[y - 1 : y + 2, x - 1 : x + 2] == 127).all()
    for lost in (np.nan, np.inf):
        points[joint] = lost
        assert np.array_equal(overlay_pose(frame, points, np.ones(15, bool)), picture)
    assert np.array_equal(overlay_pose(frame, points, np.zeros(15, bool)), frame)


def test_joints_outside_the_picture() -> None:
    """They do no harm, however far; bones to them leave the picture at its border."""
    frame = np.full((40, 60, 3), 127, np.uint8)
    visible = np.zeros(15, bool)
    visible[[0, 1]] = True
    points = np.zeros((15, 2))
    for far in (100.0, 1e4, 1e12):
        points[0], points[1] = (20, 20), (far, 20)
        changed = (overlay_pose(frame, points, visible) != 127).any(axis=2)
        assert changed[20, 20:].all()
        assert not changed[:10].any()
    points[0] = (-500, -500)
    points[1] = (-400, 700)
    assert np.array_equal(overlay_pose(frame, points, visible), frame)


def test_other_numbers_of_joints() -> None:
    """Bones are known for JHMDB's joints only; other joints stand alone."""
    frame = np.full((40, 60, 3), 127, np.uint8)
    picture = overlay_pose(frame, np.array([[10.0, 20], [50, 20]]), np.ones(2, bool))
    assert (picture[20, [10, 50]] != 127).any(axis=1).all()
    assert (picture[20, 20:40] == 127).all()
    with pytest.raises(ValueError, match=r'\[J, 2\].*\[2, 15\]'):
        overlay_pose(frame, np.zeros((2, 15)), np.ones(15, bool))
    with pytest.raises(ValueError, match=r'\[3, 2\] and \[2\]'):
        overlay_pose(frame, np.zeros((3, 2)), np.ones(2, bool))
