"""Cells that are repeated, dropped or shuffled, against numpy on whole maps.

These operations move values and compute none, so that what numpy does to a map that is
zero where masked is what they must do, too.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn

from tests.sparse.common import (
    RAGGED,
    Case,
    Kind,
    both,
    cases,
    check,
    make_case,
    masked_values,
    quick,
)
from videomac.sparse import PatchGrid, UnsupportedOperationError


@both
@given(case=cases(multiple=(2, 2), channels=4))
@quick(30)
def test_pixel_shuffle(kind: Kind, case: Case) -> None:
    x: Any = case.make(kind)
    v = torch.from_numpy(masked_values(case))
    b, c, h, w = v.shape
    assume(min(h, w) > 2)  # else [1, 2] may be two rows as well as a block of two
    check(F.pixel_shuffle(x, 2), F.pixel_shuffle(v, 2).numpy())
    check(nn.PixelUnshuffle(2)(x), F.pixel_unshuffle(v, 2).numpy())
    check(F.pixel_shuffle(F.pixel_unshuffle(x, 2), 2), v.numpy())
    # The same by views, in the order of channels of TResNet's stem.
    blocks = x.view(b, c, h // 2, 2, w // 2, 2).permute(0, 3, 5, 1, 2, 4).contiguous()
    expected = (
        masked_values(case)
        .reshape(b, c, h // 2, 2, w // 2, 2)
        .transpose(0, 3, 5, 1, 2, 4)
    )
    check(blocks.view(b, 4 * c, h // 2, w // 2), expected.reshape(b, -1, h // 2, w // 2))


@both
@given(
    case=cases(multiple=(2, 4)),
    up=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    mode=st.sampled_from(['nearest', 'nearest-exact', 'area']),
    by_size=st.booleans(),
)
@quick(40)
def test_interpolate(
    kind: Kind, case: Case, up: tuple[int, int], mode: str, by_size: bool
) -> None:
    x: Any = case.make(kind)
    v = masked_values(case)
    size = (v.shape[2] * up[0], v.shape[3] * up[1])
    factors: Any = dict(size=size) if by_size else dict(scale_factor=up)
    larger = v.repeat(up[0], 2).repeat(up[1], 3)
    check(F.interpolate(x, mode=mode, **factors), larger)
    half = (v.shape[2] // 2, v.shape[3] // 4)
    factors = dict(size=half) if by_size else dict(scale_factor=(0.5, 0.25))
    blocks = v.reshape(*v.shape[:2], half[0], 2, half[1], 4)
    taken = {'nearest': (0, 0), 'nearest-exact': (1, 2)}
    smaller = (
        blocks.mean((3, 5))
        if mode == 'area'
        else blocks[:, :, :, taken[mode][0], :, taken[mode][1]]
    )
    check(F.interpolate(x, mode=mode, **factors), smaller)


@both
def test_interpolate_to_the_same_size(kind: Kind) -> None:
    case = make_case(RAGGED)
    x: Any = case.make(kind)
    check(F.interpolate(x, size=(4, 6), mode='bilinear'), masked_values(case))
    check(nn.Upsample(scale_factor=2)(x), masked_values(case).repeat(2, 2).repeat(2, 3))


@both
@pytest.mark.parametrize(
    'options',
    [
        dict(scale_factor=2, mode='bilinear'),
        dict(scale_factor=2, mode='bicubic'),
        dict(size=(5, 6)),
        dict(size=(8, 3)),
        dict(scale_factor=1.5, mode='area'),
    ],
)
def test_interpolate_that_mixes_cells(kind: Kind, options: Any) -> None:
    with pytest.raises(UnsupportedOperationError, match='mixes cells'):
        F.interpolate(make_case(RAGGED).make(kind), **options)  # type: ignore[arg-type]


@both
def test_pixel_unshuffle_of_too_few_cells(kind: Kind) -> None:
    with pytest.raises(ValueError, match=r'stride 4 .*patch_size'):
        F.pixel_unshuffle(make_case(RAGGED, (2, 2)).make(kind), 4)  # type: ignore[arg-type]


@both
@pytest.mark.parametrize('channels', [6, 3])
def test_pixel_shuffle_of_too_few_channels(kind: Kind, channels: int) -> None:
    x: Any = make_case(RAGGED, (1, 1), channels).make(kind)
    with pytest.raises(RuntimeError, match='pixel_shuffle'):
        F.pixel_shuffle(x, 2)
    with pytest.raises(RuntimeError, match='pixel_shuffle'):
        F.pixel_shuffle(x, 0)


@both
def test_cells_of_nothing(kind: Kind) -> None:
    images = torch.ones(2, 8, 4, 4, dtype=torch.float64, requires_grad=True)
    grid = PatchGrid.from_mask(torch.zeros(2, 2, 2, dtype=torch.bool), 8)
    for function, shape in (
        (lambda m: F.pixel_shuffle(m, 2), (2, 2, 8, 8)),
        (lambda m: F.pixel_unshuffle(m, 2), (2, 32, 2, 2)),
        (lambda m: F.channel_shuffle(m, 2), (2, 8, 4, 4)),
        (lambda m: F.interpolate(m, scale_factor=2), (2, 8, 8, 8)),
    ):
        out: Any = function(kind.from_dense(images, grid))
        assert tuple(out.shape) == shape
        assert torch.equal(out.dense(), torch.zeros(shape, dtype=torch.float64))
        out.dense().sum().backward()
        assert images.grad is not None
        assert not images.grad.any()
