"""Ids to maps and back, against Pillow and OpenCV."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from videomac.models.propagation import (
    PropagationSettings,
    decode_ids,
    encode_ids,
    present_ids,
    resize_ids,
)
from videomac.models.propagation.labels import stretch

DINO, CRW = PropagationSettings.preset('dino'), PropagationSettings.preset('crw')
SIDES = st.integers(1, 60)


def blobs(height: int, width: int, seed: int = 0) -> NDArray[Any]:
    """Ids 0, 1, 2, 5 in blocks of 7 pixels."""
    rng = np.random.default_rng(seed)
    coarse = rng.choice(
        np.array([0, 1, 2, 5], np.uint8), (height // 7 + 1, width // 7 + 1)
    )
    return coarse.repeat(7, 0).repeat(7, 1)[:height, :width].copy()


@settings(max_examples=200, deadline=None)
@given(old=st.tuples(SIDES, SIDES), new=st.tuples(SIDES, SIDES))
def test_nearest_neighbour_takes_the_centre(
    old: tuple[int, int], new: tuple[int, int]
) -> None:
    rows, cols = (
        np.array([Fraction(2 * i + 1, 2) * o / n for i in range(n)], dtype=object)
        for o, n in zip(old, new, strict=True)
    )
    # A centre on the edge of two pixels may go to either.
    rows_in = np.array([row.denominator > 1 for row in rows])
    cols_in = np.array([col.denominator > 1 for col in cols])
    ids = np.random.default_rng(0).integers(0, 256, old, dtype=np.uint8)
    want = ids[rows.astype(int)[:, None], cols.astype(int)]
    got = resize_ids(ids, new)
    assert got.shape == new
    np.testing.assert_array_equal(got[rows_in][:, cols_in], want[rows_in][:, cols_in])


def test_nearest_labels() -> None:
    ids = blobs(96, 128)
    maps = encode_ids(ids, [0, 1, 2, 5], (12, 16), (64, 128), DINO)
    small = np.array(Image.fromarray(ids).resize((16, 12), Image.Resampling.NEAREST))
    want = np.stack([small == each for each in (0, 1, 2, 5)])
    np.testing.assert_array_equal(maps.numpy(), want)


def test_bilinear_labels() -> None:
    ids = blobs(90, 130)
    maps = encode_ids(ids, [0, 1, 2, 5], (12, 17), (90, 130), CRW)
    want = np.stack(
        [cv2.resize((ids == each).astype(np.float32), (17, 12)) for each in (0, 1, 2, 5)]
    )
    np.testing.assert_allclose(maps.numpy(), want, atol=1e-5)


def test_bilinear_labels_pass_through_the_networks_size() -> None:
    ids = blobs(100, 60)
    maps = encode_ids(ids, [0, 1, 2, 5], (10, 10), (80, 80), CRW)
    middle = np.array(Image.fromarray(ids).resize((80, 80), Image.Resampling.NEAREST))
    want = cv2.resize((middle == 5).astype(np.float32), (10, 10))
    np.testing.assert_allclose(maps[3].numpy(), want, atol=1e-5)


def test_small_objects_keep_their_map() -> None:
    ids = np.zeros((64, 64), np.uint8)
    ids[0, 0] = 9
    assert present_ids(ids) == [0, 9]
    maps = encode_ids(ids, present_ids(ids), (4, 4), (64, 64), DINO)
    assert maps.shape == (2, 4, 4)
    assert maps[1].sum() == 0


def test_unknown_id_is_an_error() -> None:
    with pytest.raises(ValueError, match=r'holds the ids \[5\]'):
        encode_ids(blobs(28, 28), [0, 1, 2], (4, 4), (28, 28), DINO)


@pytest.mark.parametrize('size', [(96, 120), (97, 131)])
def test_decoding_as_dino_does(size: tuple[int, int]) -> None:
    maps = torch.rand(3, 12, 16, generator=torch.Generator().manual_seed(0)).softmax(0)
    large = [cv2.resize(each.numpy(), (128, 96)) for each in maps]
    stretched = [(each - each.min()) / (each - each.min()).max() for each in large]
    strongest = np.array([0, 4, 7], np.uint8)[np.argmax(stretched, 0)]
    picture = Image.fromarray(strongest).resize(size[::-1], Image.Resampling.NEAREST)
    got = decode_ids(maps, [0, 4, 7], (96, 128), size, DINO)
    assert got.dtype == np.uint8
    assert (got == np.array(picture)).mean() > 0.9999  # interpolation may round apart


def test_decoding_as_crw_does() -> None:
    maps = torch.rand(3, 12, 16, generator=torch.Generator().manual_seed(1)).softmax(0)
    large = [cv2.resize(each.numpy(), (131, 97)) for each in maps]
    want = np.array([0, 4, 7], np.uint8)[np.argmax(large, 0)]
    got = decode_ids(maps, [0, 4, 7], (96, 128), (97, 131), CRW)
    assert (got == want).mean() > 0.9999


def test_maps_of_one_value_are_not_stretched() -> None:
    ramp = torch.arange(6.0).view(2, 3) / 20 + 0.1
    maps = torch.stack([torch.full((2, 3), 0.3), torch.zeros(2, 3), ramp])
    got = stretch(maps)
    torch.testing.assert_close(got[:2], maps[:2])
    torch.testing.assert_close(got[2], torch.arange(6.0).view(2, 3) / 5)


@pytest.mark.parametrize('options', [DINO, CRW])
def test_labels_survive_at_stride_1(options: PropagationSettings) -> None:
    ids = blobs(40, 50)
    maps = encode_ids(ids, present_ids(ids), (40, 50), (40, 50), options)
    got = decode_ids(maps, present_ids(ids), (40, 50), (40, 50), options)
    np.testing.assert_array_equal(got, ids)
