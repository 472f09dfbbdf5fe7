"""Packed masks against loops over pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from videomac.evaluation.bit_masks import (
    Bits,
    boundary,
    count,
    dilate,
    extent,
    pack,
    pack_ids,
)

Mask = NDArray[np.bool_]


def unpack(bits: Bits, width: int) -> Mask:
    """The mask ``[..., H, W]`` of bits."""
    octets = np.ascontiguousarray(bits).view(np.uint8)
    return np.unpackbits(octets, axis=-1, bitorder='little')[..., :width].astype(bool)


@st.composite
def masks(draw: st.DrawFn, max_width: int = 200) -> Mask:
    """Masks of sizes about those of a word, from almost empty to almost full."""
    height = draw(st.integers(1, 12))
    width = draw(st.sampled_from([1, 2, 7, 63, 64, 65, 127, 128, 129, max_width]))
    share = draw(st.sampled_from([0.0, 0.01, 0.3, 0.9, 1.0]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    drawn: Mask = rng.random((height, width)) < share
    return drawn


def plain_boundary(mask: Mask) -> Mask:
    """Pixel by pixel."""
    height, width = mask.shape
    out = np.zeros_like(mask)
    for y in range(height):
        for x in range(width):
            near = [(y, x + 1), (y + 1, x), (y + 1, x + 1)]
            if x == width - 1:
                near = [(y + 1, x)]
            if y == height - 1:
                near = [(y, x + 1)]
            if y == height - 1 and x == width - 1:
                near = []
            out[y, x] = any(mask[y, x] != mask[place] for place in near)
    return out


def plain_dilation(mask: Mask, radius: int) -> Mask:
    """Distance of every pixel to every pixel that is set."""
    places = np.argwhere(mask)
    out = np.zeros_like(mask)
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            distances = ((places - (y, x)) ** 2).sum(1)
            out[y, x] = bool((distances <= radius**2).any())
    return out


@given(masks())
def test_packing_keeps_every_pixel(mask: Mask) -> None:
    bits = pack(mask)
    assert bits.shape == (mask.shape[0], -(-mask.shape[1] // 64))
    assert np.array_equal(unpack(bits, mask.shape[1]), mask)
    assert count(bits) == mask.sum()


@given(masks())
def test_boundary_is_that_of_a_loop_over_pixels(mask: Mask) -> None:
    bits = boundary(pack(mask), mask.shape[1])
    expected = plain_boundary(mask)
    assert np.array_equal(unpack(bits, mask.shape[1]), expected)
    assert count(bits) == expected.sum(), 'bits beyond the row are set'


@given(masks(max_width=70), st.sampled_from([0, 1, 2, 3, 5, 8, 11]))
def test_dilation_is_that_of_all_distances(mask: Mask, radius: int) -> None:
    bits = dilate(pack(mask)[None], radius)[0]
    expected = plain_dilation(mask, radius)
    assert np.array_equal(unpack(bits, mask.shape[1]), expected)


@pytest.mark.parametrize('radius', [63, 64, 65, 100, 130])
def test_wide_disks_reach_over_several_words(radius: int) -> None:
    mask = np.zeros((40, 300), bool)
    mask[20, 150] = mask[3, 0] = mask[39, 299] = True
    bits = dilate(pack(mask)[None], radius)[0]
    assert np.array_equal(unpack(bits, 300), plain_dilation(mask, radius))


def test_masks_dilated_together_do_not_mix() -> None:
    rng = np.random.default_rng(0)
    both = rng.random((2, 9, 130)) < 0.01
    bits = dilate(np.stack([pack(mask) for mask in both]), 4)
    for mask, packed in zip(both, bits, strict=True):
        assert np.array_equal(unpack(packed, 130), plain_dilation(mask, 4))


def test_ids_become_one_mask_each() -> None:
    ids = np.random.default_rng(0).integers(0, 5, (6, 70)).astype(np.uint8)
    bits = pack_ids(ids, 3)
    expected = np.stack([ids == k for k in (1, 2, 3)])
    assert np.array_equal(unpack(bits, 70), expected)


def test_extent_holds_what_is_set_and_no_more_words() -> None:
    mask = np.zeros((10, 300), bool)
    mask[4, 70] = mask[6, 130] = True
    assert extent(pack(mask)) == (slice(4, 7), slice(1, 3))
