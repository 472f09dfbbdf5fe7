"""Sums, means and norms over visible cells, against the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from tests.sparse import oracle
from tests.sparse.common import (
    EMPTY_SAMPLE,
    RAGGED,
    Case,
    Kind,
    both,
    cases,
    check,
    gradients,
    make_case,
    quick,
)
from videomac.sparse import PatchTensor, UnsupportedOperationError


def reduced(values: Any, expected: Any, keepdim: bool, last: bool) -> None:
    """Compare [B, C] with a reduction over space in either layout."""
    if keepdim:
        expected = expected[:, None, None] if last else expected[:, :, None, None]
    assert isinstance(values, torch.Tensor)
    check(values, expected)


@both
@given(case=cases(), keepdim=st.booleans(), last=st.booleans(), negative=st.booleans())
@quick(50)
def test_over_space(
    kind: Kind, case: Case, keepdim: bool, last: bool, negative: bool
) -> None:
    x: Any = case.last(kind) if last else case.make(kind)
    dims = (1, 2) if last else (2, 3)
    if negative:
        dims = (dims[1] - 4, dims[0] - 4)
    total = oracle.sum_space(case.array, case.seen)
    reduced(x.sum(dims, keepdim=keepdim), total, keepdim, last)
    reduced(torch.sum(x, dim=dims, keepdim=keepdim), total, keepdim, last)
    for p in (1.0, 2.0, 3.0, float('inf')):
        expected = oracle.norm_space(case.array, case.seen, p)
        out = torch.norm(x, p=p, dim=dims, keepdim=keepdim)
        reduced(out, expected, keepdim, last)
    plain = oracle.norm_space(case.array, case.seen)
    reduced(x.norm(dim=dims, keepdim=keepdim), plain, keepdim, last)
    reduced(x.norm(p='fro', dim=list(dims), keepdim=keepdim), plain, keepdim, last)
    expected = oracle.mean_space(case.array, case.seen)
    reduced(x.mean(dims, keepdim=keepdim), expected, keepdim, last)
    reduced(torch.mean(x, list(dims), keepdim), expected, keepdim, last)


@both
@pytest.mark.parametrize('order', [float('-inf'), -1, 0])
def test_norms_to_which_absent_cells_would_add(kind: Kind, order: float) -> None:
    x: Any = make_case(RAGGED).make(kind)
    with pytest.raises(UnsupportedOperationError, match='norm of order'):
        torch.norm(x, order, (2, 3))


@both
@given(case=cases(), last=st.booleans())
@quick()
def test_over_the_batch(kind: Kind, case: Case, last: bool) -> None:
    x: Any = case.last(kind) if last else case.make(kind)
    dims = (0, 1, 2) if last else (0, 2, 3)
    values = np.array([case.array[b, :, y, z] for b, y, z in oracle.positions(case.seen)])
    for out, expected in (
        (x.sum(dims), values.sum(0)),
        (x.mean(dims), values.mean(0)),
        (torch.norm(x, 2, dims), np.sqrt((values**2).sum(0))),
    ):
        check(out, expected)
    shape = (1, 1, 1, -1) if last else (1, -1, 1, 1)
    check(x.sum(dims, True), values.sum(0).reshape(shape))
    check(x.mean(dim=dims, keepdim=True), values.mean(0).reshape(shape))
    for out, total in (
        (x.sum(), values.sum()),
        (x.mean(), values.mean()),
        (x.norm(), np.sqrt((values**2).sum())),
        (x.mean((0, 1, 2, 3)), values.mean()),
    ):
        check(out, total)


@both
@given(case=cases(), last=st.booleans())
@quick()
def test_over_channels(kind: Kind, case: Case, last: bool) -> None:
    x: Any = case.last(kind) if last else case.make(kind)
    seen = case.seen[:, None]
    values = np.where(seen, case.array, 0.0)
    for dim in (3, -1) if last else (1, -3):
        for out, expected in (
            (x.sum(dim, keepdim=True), values.sum(1, keepdims=True)),
            (x.mean(dim, keepdim=True), values.mean(1, keepdims=True)),
            (
                torch.norm(x, dim=dim, keepdim=True),
                np.sqrt((values**2).sum(1, keepdims=True)),
            ),
        ):
            assert out.channels == 1
            check(out.permute(0, 3, 1, 2) if last else out, expected)
        # and such a map combines with the map it came from
        scaled = x * x.sum(dim, keepdim=True)
        scaled = scaled.permute(0, 3, 1, 2) if last else scaled
        check(scaled, values * values.sum(1, keepdims=True))


def cells_of(case: Case, sample: int) -> Any:
    """Values [cells, C] of the visible cells of a sample."""
    places = [(y, z) for b, y, z in oracle.positions(case.seen) if b == sample]
    return np.array([case.array[sample, :, y, z] for y, z in places])


@both
@given(case=cases(empty_samples=False), keepdim=st.booleans(), last=st.booleans())
@quick(40)
def test_extremes_and_variances_over_space(
    kind: Kind, case: Case, keepdim: bool, last: bool
) -> None:
    x: Any = case.last(kind) if last else case.make(kind)
    dims = (1, 2) if last else (2, 3)
    samples = [cells_of(case, b) for b in range(len(case.seen))]
    for out, function in (
        (x.amax(dims, keepdim=keepdim), lambda v: v.max(0)),
        (torch.amin(x, dims, keepdim), lambda v: v.min(0)),
        (x.var(dims, unbiased=False, keepdim=keepdim), lambda v: v.var(0)),
        (torch.std(x, dims, correction=0, keepdim=keepdim), lambda v: v.std(0)),
        (torch.var_mean(x, dims, False, keepdim)[0], lambda v: v.var(0)),
        (torch.std_mean(x, dims, False, keepdim)[1], lambda v: v.mean(0)),
    ):
        expected = np.array([function(v) for v in samples])
        reduced(out, expected, keepdim, last)


@both
def test_unbiased_variance(kind: Kind) -> None:
    case = make_case(RAGGED)
    x: Any = case.make(kind)
    expected = np.array([cells_of(case, b).var(0, ddof=1) for b in range(2)])
    check(x.var((2, 3)), expected)
    check(x.std((2, 3)), np.sqrt(expected))
    values = np.concatenate([cells_of(case, b) for b in range(2)])
    check(x.var(), values.var(ddof=1))
    check(x.var(False), values.var())
    check(x.var((0, 2, 3)), values.var(0, ddof=1))


@both
@given(case=cases(empty_samples=False), last=st.booleans())
@quick(30)
def test_pooling_of_channels(kind: Kind, case: Case, last: bool) -> None:
    # Spatial attention: the mean and the largest of the channels of each cell.
    x: Any = case.last(kind) if last else case.make(kind)
    dim = 3 if last else 1
    seen = case.seen[:, None]
    v = np.where(seen, case.array, 0.0)
    most, places = x.max(dim, keepdim=True)
    for out, expected in (
        (x.amax(dim, keepdim=True), v.max(1, keepdims=True)),
        (most, v.max(1, keepdims=True)),
        (torch.min(x, dim, True)[0], v.min(1, keepdims=True)),
        (places.double(), v.argmax(1)[:, None]),
        (x.std(dim, unbiased=False, keepdim=True), v.std(1, keepdims=True)),
        (x.mean(dim).unsqueeze(dim), v.mean(1, keepdims=True)),
        (x.norm(dim=dim).unsqueeze(dim), np.sqrt((v**2).sum(1, keepdims=True))),
        (x.amax(dim).unsqueeze(dim), v.max(1, keepdims=True)),
    ):
        check(out.permute(0, 3, 1, 2) if last else out, np.where(seen, expected, 0.0))


@both
@pytest.mark.parametrize('name', ['max', 'min'])
@pytest.mark.parametrize('keepdim', [False, True])
def test_extremes_by_name(kind: Kind, name: str, keepdim: bool) -> None:
    case = make_case(RAGGED)
    function: Any = getattr(torch, name)
    dense = case.images.nan_to_num(0.0)
    for found in (
        function(case.make(kind), dim=1, keepdim=keepdim),
        getattr(case.make(kind), name)(1, keepdim),
    ):
        expected = function(dense, 1, True)
        values, places = found
        assert (found.values, found.indices) == (values, places)
        for out, wanted in zip(found, expected, strict=True):
            out = out if keepdim else out.unsqueeze(1)
            check(out.double(), wanted.double().numpy() * case.seen[:, None])


@both
def test_over_a_sample(kind: Kind) -> None:
    case = make_case(RAGGED)
    x: Any = case.make(kind)
    samples = [cells_of(case, b) for b in range(2)]
    check(x.mean((1, 2, 3)), np.array([v.mean() for v in samples]))
    check(x.sum((1, 2, 3), True)[:, 0, 0, 0], np.array([v.sum() for v in samples]))
    check(x.amax((1, 2, 3)), np.array([v.max() for v in samples]))
    check(x.norm(dim=(1, 2, 3)), np.array([np.sqrt((v**2).sum()) for v in samples]))
    whole = np.concatenate(samples)
    check(x.amax(), whole.max())
    check(x.max(), whole.max())
    check(torch.min(x), whole.min())
    check(F.adaptive_max_pool2d(x, 1)[:, :, 0, 0], np.array([v.max(0) for v in samples]))


@both
@pytest.mark.parametrize('name', ['sum', 'mean', 'norm', 'amax', 'amin', 'var', 'std'])
@pytest.mark.parametrize('dims', [(), []])
def test_no_dimensions_are_all(kind: Kind, name: str, dims: Any) -> None:
    x: Any = make_case(RAGGED).make(kind)
    function: Any = getattr(torch, name)
    assert torch.equal(function(x, dim=dims), function(x))
    assert function(x, dim=dims, keepdim=True).shape == (1, 1, 1, 1)


@both
def test_dimensions_that_are_not_there(kind: Kind) -> None:
    with pytest.raises(IndexError):
        make_case(RAGGED).make(kind).sum(4)


@both
@pytest.mark.parametrize('name', ['amax', 'amin', 'std'])
@pytest.mark.parametrize('dims', [(2, 3), (1,)])
def test_gradients_of_extremes(kind: Kind, name: str, dims: Any) -> None:
    case = make_case([[[1, 0]], [[1, 1]]], (1, 2), channels=3)
    gradients(lambda x: getattr(torch, name)(x, dim=dims, keepdim=True), case, kind)


@both
def test_largest_with_places_over_space(kind: Kind) -> None:
    with pytest.raises(UnsupportedOperationError, match='max'):
        make_case(RAGGED).make(kind).max(2)


@both
def test_squeeze_and_excitation(kind: Kind) -> None:
    case = make_case(RAGGED)
    x: Any = case.make(kind)
    gate = torch.sigmoid(x.mean((2, 3), keepdim=True))
    expected = oracle.mean_space(case.array, case.seen)[:, :, None, None]
    values = np.where(case.seen[:, None], case.array, 0.0)
    check(x * gate, values / (1 + np.exp(-expected)))


@both
def test_sample_without_visible_patches(kind: Kind) -> None:
    case = make_case(EMPTY_SAMPLE)
    x: Any = case.make(kind)
    assert (x.sum((2, 3))[1] == 0).all()
    assert (x.norm(dim=(2, 3))[1] == 0).all()
    assert (x.mean((2, 3))[1] == 0).all()  # a NaN would spoil a whole training step
    assert (x.amax((2, 3))[1] == 0).all()
    assert x.var((2, 3))[1].isnan().all()  # as torch says of too few values


@both
@pytest.mark.parametrize('name', ['sum', 'mean', 'norm'])
@pytest.mark.parametrize('dims', [(2, 3), (0, 2, 3), (1,), None])
def test_gradients(kind: Kind, name: str, dims: Any) -> None:
    case = make_case([[[1, 0]], [[1, 1]]], (1, 2), channels=2)

    def function(x: Any) -> Any:
        if dims is None:
            return getattr(torch, name)(x)
        return getattr(torch, name)(x, dim=dims, keepdim=True)

    gradients(function, case, kind)


@both
def test_gradient_of_the_norm_of_nothing(kind: Kind) -> None:
    case = make_case(EMPTY_SAMPLE)
    images = case.images.nan_to_num(0.0).requires_grad_()
    torch.norm(kind.from_dense(images, case.grid), dim=(2, 3)).sum().backward()  # type: ignore[arg-type]
    assert images.grad is not None
    assert images.grad.isfinite().all()


@pytest.mark.parametrize('name', ['sum', 'mean', 'norm'])
@pytest.mark.parametrize('dims', [(2,), (3,), (0,), (1, 2), (0, 1)])
def test_unsupported_dimensions(name: str, dims: tuple[int, ...]) -> None:
    x: Any = make_case(RAGGED).make(PatchTensor)  # the dense reference can do these
    with pytest.raises(UnsupportedOperationError, match=f"'{name}'.*over dim"):
        getattr(torch, name)(x, dim=dims)


@both
@pytest.mark.parametrize('name', ['prod', 'median', 'argmax', 'cumsum'])
def test_unsupported_reductions(kind: Kind, name: str) -> None:
    x: Any = make_case(RAGGED).make(kind)
    with pytest.raises(UnsupportedOperationError, match=f"'{name}'"):
        getattr(torch, name)(x, 1)
    with pytest.raises(UnsupportedOperationError, match=f"'{name}'"):
        getattr(x, name)(1)


@both
@pytest.mark.parametrize('name', ['sum', 'mean', 'norm'])
def test_data_type(kind: Kind, name: str) -> None:
    case = make_case(RAGGED)
    x: Any = kind.from_dense(case.images.float(), case.grid)
    out = getattr(torch, name)(x, dim=(2, 3), dtype=torch.float64)
    assert out.dtype == torch.float64
