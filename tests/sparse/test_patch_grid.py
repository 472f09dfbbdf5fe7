"""The grid of visible patches and its index tables, against loops."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from tests.sparse.common import Case, cases, make_case, quick, random
from videomac.sparse import MaskedTensor, PatchGrid, PatchTensor, grid_shape

MASK = torch.tensor([[[1, 0, 1], [0, 1, 0]], [[0, 0, 0], [1, 0, 0]]], dtype=torch.bool)


def test_from_mask() -> None:
    grid = PatchGrid.from_mask(MASK, 16)
    assert (grid.batch_size, grid.rows, grid.cols, grid.patch_size) == (2, 2, 3, 16)
    assert grid.index.tolist() == [0, 2, 4, 9]
    assert grid.index.dtype == torch.int64
    assert grid.per_sample is None
    assert grid.num_patches == 6
    assert grid.image_size == (32, 48)
    assert grid.counts.tolist() == [3, 1]
    assert grid.sample.tolist() == [0, 0, 0, 1]
    assert grid.slots.tolist() == [0, -1, 1, -1, 2, -1, -1, -1, -1, 3, -1, -1]
    assert torch.equal(grid.visible, MASK)
    assert torch.equal(grid.masked, ~MASK)


def test_equal_counts_are_noticed() -> None:
    mask = torch.tensor([[[True, False]], [[False, True]]])
    assert PatchGrid.from_mask(mask, 4).per_sample == 1
    assert PatchGrid.from_mask(torch.zeros(2, 2, 2, dtype=torch.bool), 4).per_sample == 0


def test_full() -> None:
    grid = PatchGrid.full(2, (64, 96), 32)
    same = PatchGrid.from_mask(torch.ones(2, 2, 3, dtype=torch.bool), 32)
    assert torch.equal(grid.index, same.index)
    assert (grid.batch_size, grid.rows, grid.cols) == (2, 2, 3)
    assert (grid.per_sample, grid.patch_size) == (6, 32)
    assert grid.visible.all()


@pytest.mark.parametrize(
    ('size', 'side', 'pixels'),
    [((65, 64), 'height', 65), ((64, 80), 'width', 80), ((16, 64), 'height', 16)],
)
def test_patch_that_does_not_divide_the_image(
    size: tuple[int, int], side: str, pixels: int
) -> None:
    said = f'{size[0]}x{size[1]} pixels .* 32x32: its {side} {pixels} .* of 32'
    with pytest.raises(ValueError, match=said):
        grid_shape(size, 32)
    with pytest.raises(ValueError, match=said):
        PatchGrid.full(1, size, 32)


def test_grid_shape() -> None:
    assert grid_shape((64, 96), 32) == (2, 3)
    assert grid_shape((32, 32), 32) == (1, 1)


@pytest.mark.parametrize(
    'mask', [torch.ones(2, 2, 3), torch.ones(2, 3, dtype=torch.bool), MASK.long()]
)
def test_mask_of_the_wrong_kind(mask: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r'bool tensor of shape \[B, rows, cols\]'):
        PatchGrid.from_mask(mask, 4)


@pytest.mark.parametrize('shape', [(3, 1, 4, 6), (2, 1, 5, 6), (2, 1, 4, 7)])
def test_map_that_does_not_fit_the_grid(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match='does not fit a grid of 2 images with 2x3'):
        PatchTensor.from_dense(torch.zeros(shape), PatchGrid.from_mask(MASK, 32))


@pytest.mark.parametrize('kind', [PatchTensor, MaskedTensor])
@pytest.mark.parametrize('shape', [(2, 1, 4, 6), (1, 1, 5, 6), (1, 1, 4, 7)])
def test_both_kinds_refuse_what_does_not_fit(kind: Any, shape: tuple[int, ...]) -> None:
    with pytest.raises((ValueError, RuntimeError)):
        kind.from_dense(torch.zeros(shape), PatchGrid.from_mask(MASK[:1], 32))


@given(cases())
@quick()
def test_gather_and_scatter(case: Case) -> None:
    grid, images = case.grid, case.images
    h, w = images.shape[2] // grid.rows, images.shape[3] // grid.cols
    last = images.permute(0, 2, 3, 1)
    patches = grid.gather(last, h, w)
    expected = torch.stack(
        [
            last[b, i * h : (i + 1) * h, j * w : (j + 1) * w]
            for b, i, j in grid.visible.nonzero().tolist()
        ]
    )
    assert torch.equal(patches, expected)
    assert torch.equal(grid.scatter(patches), last.nan_to_num(0.0))
    assert torch.equal(grid.gather(grid.scatter(patches), h, w), patches)
    assert torch.equal(PatchTensor.from_dense(images, grid).data, patches)
    for kind in (PatchTensor, MaskedTensor):
        assert torch.equal(kind.from_dense(images, grid).dense(), images.nan_to_num(0.0))
    assert torch.equal(grid.cell_mask(h, w), torch.from_numpy(case.seen))


def test_gather_and_scatter_without_anything_visible() -> None:
    grid = PatchGrid.from_mask(torch.zeros(2, 2, 3, dtype=torch.bool), 4)
    patches = grid.gather(torch.ones(2, 4, 6, 5), 2, 2)
    assert patches.shape == (0, 2, 2, 5)
    assert torch.equal(grid.scatter(patches), torch.zeros(2, 4, 6, 5))


@given(
    cases(),
    *(st.integers(-5, 2) for _ in range(2)),
    *(st.integers(1, 9) for _ in range(2)),
)
@quick(40)
def test_window_table(case: Case, top: int, left: int, tall: int, wide: int) -> None:
    grid, (_, height, width) = case.grid, case.seen.shape
    h, w = height // grid.rows, width // grid.cols
    table = grid.window_table((h, w), (top, left), (tall, wide))
    patches = grid.visible.nonzero().tolist()
    where = {tuple(place): n for n, place in enumerate(patches)}
    assert table.shape == (len(patches), tall, wide)
    for n, (b, i, j) in enumerate(patches):
        for k in range(tall):
            for m in range(wide):
                y, x = i * h + top + k, j * w + left + m
                slot = where.get((b, y // h, x // w))
                nothing = len(patches) * h * w
                at = nothing if slot is None else (slot * h + y % h) * w + x % w
                assert table[n, k, m] == at
    again = grid.window_table((h, w), (top, left), (tall, wide))
    assert again is table


@given(cases(), st.sampled_from([0.0, -7.5]))
@quick()
def test_batched(case: Case, fill: float) -> None:
    x = PatchTensor.from_dense(case.images, case.grid)
    lined = case.grid.batched(x.data, fill)
    area = x.data.shape[1] * x.data.shape[2]
    counts = case.grid.counts.tolist()
    assert lined.shape == (len(counts), max(counts) * area, x.channels)
    for b, count in enumerate(counts):
        mine = x.data[case.grid.sample == b].reshape(-1, x.channels)
        assert torch.equal(lined[b, : count * area], mine)
        assert (lined[b, count * area :] == fill).all()


def test_gradients_of_the_tables() -> None:
    case = make_case([[[1, 0], [1, 1]], [[0, 0], [0, 1]]], (2, 1), channels=2)
    patches = random(1, 4, 2, 1, 2).requires_grad_()
    dense = random(2, 2, 4, 2, 2).requires_grad_()
    assert torch.autograd.gradcheck(case.grid.scatter, (patches,))
    assert torch.autograd.gradcheck(case.grid.batched, (patches,))
    assert torch.autograd.gradcheck(lambda x: case.grid.gather(x, 2, 1), (dense,))


def test_tables_made_in_inference_mode_serve_training() -> None:
    case = make_case([[[1, 0], [1, 1]]], (2, 2), channels=2)
    weight = random(1, 2, 2, 3, 3)
    with torch.inference_mode():
        x: Any = PatchTensor.from_dense(case.images, case.grid)
        F.conv2d(x, weight, padding=1)
    images = case.images.nan_to_num(0.0).requires_grad_()
    y: Any = PatchTensor.from_dense(images, case.grid)
    out: Any = F.conv2d(y, weight, padding=1)
    out.dense().sum().backward()
    assert images.grad is not None
