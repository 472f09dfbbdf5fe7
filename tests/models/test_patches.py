"""Patchifying against plain loops."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from videomac.models import patches


@given(
    batch=st.integers(1, 3),
    rows=st.integers(1, 3),
    cols=st.integers(1, 4),
    size=st.integers(1, 5),
)
@settings(max_examples=25, deadline=None)
def test_patchify_order_is_row_column_channel(
    batch: int, rows: int, cols: int, size: int
) -> None:
    images = torch.randn(batch, 3, rows * size, cols * size)
    got = patches.patchify(images, size)
    for b in range(batch):
        for i in range(rows):
            for j in range(cols):
                block = images[b, :, i * size : (i + 1) * size, j * size : (j + 1) * size]
                values = [
                    block[c, y, x]
                    for y in range(size)
                    for x in range(size)
                    for c in range(3)
                ]
                assert torch.equal(got[b, i * cols + j], torch.stack(values))
    assert torch.equal(patches.unpatchify(got, (rows * size, cols * size), size), images)


def test_normalised_patches_follow_the_formula() -> None:
    values = torch.randn(2, 5, 48) * 3 + 1
    mean = values.sum(-1, keepdim=True) / 48
    variance = ((values - mean) ** 2).sum(-1, keepdim=True) / 47  # unbiased
    expected = (values - mean) / (variance + 1e-6) ** 0.5
    assert torch.allclose(patches.normalize_patches(values), expected, atol=1e-6)


def test_a_constant_patch_normalises_to_zero() -> None:
    assert patches.normalize_patches(torch.full((1, 1, 12), 7.0)).abs().max() == 0


@pytest.mark.parametrize(('cell', 'patch'), [(8, 8), (4, 8), (2, 8)])
def test_cells_become_patches(cell: int, patch: int) -> None:
    images = torch.randn(2, 3, 16, 24)
    sequence = patches.patchify(images, cell)
    cells = sequence.transpose(1, 2).reshape(2, -1, 16 // cell, 24 // cell)
    got = patches.cells_to_patches(cells, cell, patch)
    assert torch.equal(got, patches.patchify(images, patch))


def test_an_image_that_patches_do_not_divide_is_named() -> None:
    with pytest.raises(ValueError, match=r'225x224.*height 225 is not a multiple of 32'):
        patches.patchify(torch.zeros(1, 3, 225, 224), 32)
