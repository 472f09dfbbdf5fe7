"""Factors and offsets of channels that are put off, and the norm that goes with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.sparse import oracle
from tests.sparse.common import (
    EMPTY_SAMPLE,
    RAGGED,
    Case,
    both,
    cases,
    check,
    gradients,
    make_case,
    quick,
    random,
)
from tests.sparse.oracle import Array
from videomac.sparse import PatchTensor
from videomac.sparse.affine import IDENTITY

UNIFORM = (((1, 0, 1), (0, 1, 0)), ((0, 1, 0), (1, 0, 1)))
EVEN = pytest.mark.parametrize(
    'visible', [UNIFORM, RAGGED, EMPTY_SAMPLE], ids=['uniform', 'ragged', 'empty']
)


def global_response_norm(case: Case, gamma: Array, beta: Array) -> Array:
    """Apply gamma * x * n + beta + x to visible cells (ConvNeXt V2), cell by cell."""
    x, out = case.array, np.zeros_like(case.array)
    squares = np.zeros(x.shape[:2])
    for b, y, z in oracle.positions(case.seen):
        squares[b] += x[b, :, y, z] ** 2
    norms = np.sqrt(squares)
    for b, y, z in oracle.positions(case.seen):
        share = norms[b] / (norms[b].mean() + 1e-6)
        out[b, :, y, z] = gamma * x[b, :, y, z] * share + beta + x[b, :, y, z]
    return out


def as_in_networks(x: Any, gamma: Tensor, beta: Tensor) -> Any:
    """Apply global response normalisation with torch calls on a channels-last map."""
    norms = torch.norm(x, p=2, dim=(1, 2), keepdim=True)
    share = norms / (norms.mean(dim=-1, keepdim=True) + 1e-6)
    return gamma * (x * share) + beta + x


@both
@EVEN
def test_global_response_norm(kind: Any, visible: Any) -> None:
    case = make_case(visible)
    gamma, beta = random(1, 4), random(2, 4)
    out = as_in_networks(case.last(kind), gamma, beta).permute(0, 3, 1, 2)
    check(out, global_response_norm(case, gamma.numpy(), beta.numpy()))


@both
@EVEN
def test_gradients_of_global_response_norm(kind: Any, visible: Any) -> None:
    def normed(x: Any, gamma: Tensor, beta: Tensor) -> Any:
        return as_in_networks(x.permute(0, 2, 3, 1), gamma, beta).permute(0, 3, 1, 2)

    gradients(normed, make_case(visible), kind, random(1, 4), random(2, 4))


STEPS: dict[str, Callable[[Any, Any], Any]] = {
    'mul': lambda x, t: x * t,
    'rmul': lambda x, t: t * x,
    'add': lambda x, t: x + t,
    'radd': lambda x, t: t + x,
    'sub': lambda x, t: x - t,
    'twice': lambda x, t: x * t + x,
    'self': lambda x, t: x + x,
    'product': lambda x, t: (x * t) * (x + t),
    'difference': lambda x, t: (x + t) - x * t,
}


@given(
    case=cases(),
    names=st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=5),
    each_sample=st.booleans(),
    seed=st.integers(0, 99),
)
@quick(60)
def test_chains_equal_those_of_dense_maps(
    case: Case, names: list[str], each_sample: bool, seed: int
) -> None:
    batch, channels = case.images.shape[:2]
    x: Any = case.make(PatchTensor)
    dense = case.array
    for number, name in enumerate(names):
        t = random(seed + number, batch if each_sample else 1, channels, 1, 1)
        x, dense = STEPS[name](x, t), STEPS[name](dense, t.numpy())
    check(x, np.where(case.seen[:, None], dense, 0.0))


def test_nothing_is_computed_before_somebody_reads() -> None:
    x: Any = make_case(RAGGED).make(PatchTensor)
    y = (x * torch.ones(4, 1, 1) + torch.ones(1, 4, 1, 1)) * torch.ones(2, 4, 1, 1)
    assert y.pending is not IDENTITY
    assert y.values is x.values
    first = y.data
    assert y.pending is IDENTITY
    assert y.data is first


def test_of_one_map_two_results_differ() -> None:
    x: Any = make_case(RAGGED).make(PatchTensor)
    factor = torch.full((4, 1, 1), 2.0, dtype=torch.float64)
    y, z = x * factor, x + factor
    torch.testing.assert_close(z.dense() - x.dense(), (y / y * 2.0).dense().nan_to_num())
    torch.testing.assert_close(y.dense(), 2 * x.dense())


def test_in_place_all_holders_see_the_result() -> None:
    x: Any = make_case(RAGGED).make(PatchTensor)
    before, held = x.dense(), x
    x *= torch.full((4, 1, 1), 3.0, dtype=torch.float64)
    x.add_(torch.ones(4, 1, 1, dtype=torch.float64))
    seen = torch.from_numpy(make_case(RAGGED).seen)[:, None]
    torch.testing.assert_close(held.dense(), (3 * before + 1) * seen)


@pytest.mark.parametrize('values', [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize('factors', [torch.float16, torch.float32, torch.float64])
def test_types_are_those_of_torch(values: torch.dtype, factors: torch.dtype) -> None:
    x: Any = make_case(RAGGED).make(PatchTensor).to(values)
    factor = torch.ones(4, 1, 1, dtype=factors)
    expected = torch.ones(1, 4, 1, 1, dtype=values) * factor
    out = x * factor + factor
    assert out.dtype == expected.dtype
    assert out.data.dtype == expected.dtype


def test_the_norm_of_zeros_has_no_gradient() -> None:
    case = make_case(UNIFORM)
    images = case.images.nan_to_num(0.0)
    images[:, 1] = 0.0
    images.requires_grad_()
    x: Any = PatchTensor.from_dense(images, case.grid)
    x.norm(dim=(2, 3)).sum().backward()
    assert images.grad is not None
    assert bool((images.grad[:, 1] == 0).all())
    assert bool(images.grad.isfinite().all())


def test_the_norm_of_half_values_does_not_overflow() -> None:
    x: Any = make_case(UNIFORM).make(PatchTensor)
    large: Any = x.like(torch.full_like(x.data, 300.0, dtype=torch.float16))
    # 12 cells of 300: 300 * sqrt(12), whose square no half value holds.
    expected = torch.full((2, 4), 300.0 * 12**0.5, dtype=torch.float16)
    torch.testing.assert_close(large.norm(dim=(2, 3)), expected)


def test_views_made_before_the_norm_share_its_gradient() -> None:
    case = make_case(UNIFORM)

    def function(x: Any) -> Any:
        last = x.permute(0, 2, 3, 1)
        norms = x.norm(dim=(2, 3), keepdim=True)
        return last.permute(0, 3, 1, 2) * norms + x * x

    gradients(function, case, PatchTensor)
