"""Sums of maps of half precision, against the same in double precision."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.sparse.common import EMPTY_SAMPLE, RAGGED, Kind, both, make_case, random
from videomac.sparse import SparseMap

WEIGHT, BIAS = random(1, 4), random(2, 4)
#: Many cells, so that sums of hundreds leave the range of half precision.
CELLS = (16, 16)

OPERATIONS: dict[str, Any] = {
    'mean of space': lambda x: x.mean((2, 3)),
    'mean of the batch': lambda x: x.mean((0, 2, 3), keepdim=True),
    'mean of all but the batch': lambda x: x.mean((1, 2, 3)),
    'mean of all': lambda x: x.mean(),
    'mean of channels': lambda x: x.mean(1, keepdim=True),
    'global pooling': lambda x: F.adaptive_avg_pool2d(x, 1),
    'var': lambda x: x.var((2, 3)),
    'var of channels': lambda x: x.var(1).unsqueeze(1),
    'std': lambda x: x.std((2, 3), keepdim=True),
    'std of std_mean': lambda x: torch.std_mean(x, (2, 3))[0],
    'mean of std_mean': lambda x: torch.std_mean(x, (2, 3), keepdim=True)[1],
    'instance_norm': lambda x: F.instance_norm(
        x, weight=WEIGHT.to(x.dtype), bias=BIAS.to(x.dtype)
    ),
    'group_norm': lambda x: F.group_norm(x, 2, WEIGHT.to(x.dtype), BIAS.to(x.dtype)),
}


def as_tensor(x: Any) -> Tensor:
    """Make a tensor of a map."""
    return x.dense() if isinstance(x, SparseMap) else x


@both
@pytest.mark.parametrize('dtype', [torch.half, torch.bfloat16])
@pytest.mark.parametrize('visible', [RAGGED, EMPTY_SAMPLE], ids=['ragged', 'empty'])
@pytest.mark.parametrize('name', OPERATIONS)
def test_half_precision_is_summed_in_float32(
    kind: Kind, dtype: torch.dtype, visible: Any, name: str
) -> None:
    case = make_case(visible, CELLS)
    images = (case.images.nan_to_num(0.0) * 60 + 500).to(dtype)
    found = as_tensor(OPERATIONS[name](kind.from_dense(images, case.grid)))
    exact = as_tensor(OPERATIONS[name](kind.from_dense(images.double(), case.grid)))
    assert found.dtype == dtype
    limit = 4 * torch.finfo(dtype).eps
    # The variance of no value is NaN, as in torch.
    torch.testing.assert_close(
        found.double(), exact, rtol=limit, atol=limit, equal_nan=True
    )


@both
@pytest.mark.parametrize('dims', [(2, 3), (0, 2, 3), None], ids=str)
def test_norms_are_float32_under_autocast(kind: Kind, dims: Any) -> None:
    case = make_case(RAGGED, CELLS)
    images = case.images.nan_to_num(0.0).bfloat16()
    exact = torch.norm(kind.from_dense(images.double(), case.grid), p=2, dim=dims)  # type: ignore[arg-type]
    x: Any = kind.from_dense(images, case.grid)
    assert torch.norm(x, p=2, dim=dims).dtype == torch.bfloat16
    with torch.autocast('cpu', torch.bfloat16):
        found = torch.norm(x, p=2, dim=dims)
        assert torch.norm(x, p=2, dim=dims, dtype=torch.float64).dtype == torch.float64
    torch.testing.assert_close(found, exact.float(), rtol=1e-5, atol=0)


@both
def test_a_type_that_was_asked_for_is_kept(kind: Kind) -> None:
    x: Any = make_case(RAGGED).make(kind)
    assert x.half().mean((2, 3), dtype=torch.float32).dtype == torch.float32
    assert x.mean((2, 3)).dtype == torch.float64
    assert x.float().mean().dtype == torch.float32
    exact = x.mean((2, 3), dtype=torch.float64)
    torch.testing.assert_close(x.mean((2, 3)), exact, rtol=0, atol=0)


@both
def test_types_of_views(kind: Kind) -> None:
    x: Any = make_case(RAGGED).make(kind)
    half = x.half().flatten(2)
    assert half.type() == 'torch.HalfTensor'
    found = half.softmax(2, dtype=torch.float64).unflatten(2, (4, 6))
    expected = x.half().double().flatten(2).softmax(2).unflatten(2, (4, 6))
    assert found.dtype == torch.float64
    torch.testing.assert_close(found.dense(), expected.dense(), rtol=0, atol=0)
