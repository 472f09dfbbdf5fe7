"""Operations on each value and of two maps, against numpy and loops."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.sparse import oracle
from tests.sparse.common import (
    KINDS,
    RAGGED,
    Case,
    Kind,
    both,
    cases,
    check,
    gradients,
    make_case,
    quick,
    random,
)
from videomac.sparse import PatchGrid

Array = oracle.Array


def on_cells(case: Case, function: Callable[..., Any], *others: Array) -> Array:
    """Apply a function to the channels of each visible cell, by a loop."""
    out = np.zeros_like(case.array)
    for b, y, x in oracle.positions(case.seen):
        operands = (other[b, :, y, x] for other in others)
        out[b, :, y, x] = function(case.array[b, :, y, x], *operands)
    return out


def sigmoid(v: Array) -> Any:
    """Logistic function."""
    return 1 / (1 + np.exp(-v))


#: Torch function and the formula of its values.
FORMULAS: list[tuple[Any, Callable[[Array], Any]]] = [
    (F.relu, lambda v: np.maximum(v, 0)),
    (torch.relu, lambda v: np.maximum(v, 0)),
    (F.relu6, lambda v: np.clip(v, 0, 6)),
    (nn.ReLU6(inplace=True), lambda v: np.clip(v, 0, 6)),
    (nn.LeakyReLU(0.2), lambda v: np.where(v > 0, v, 0.2 * v)),
    (F.silu, lambda v: v * sigmoid(v)),
    (nn.SiLU(inplace=True), lambda v: v * sigmoid(v)),
    (F.mish, lambda v: v * np.tanh(np.log1p(np.exp(v)))),
    (F.elu, lambda v: np.where(v > 0, v, np.expm1(v))),
    (nn.Hardswish(), lambda v: v * np.clip(v + 3, 0, 6) / 6),
    (F.hardsigmoid, lambda v: np.clip(v + 3, 0, 6) / 6),
    (nn.Hardtanh(-0.5, 0.7), lambda v: np.clip(v, -0.5, 0.7)),
    (torch.sigmoid, sigmoid),
    (nn.Sigmoid(), sigmoid),
    (torch.tanh, np.tanh),
    (F.softplus, lambda v: np.log1p(np.exp(v))),
    (F.softsign, lambda v: v / (1 + abs(v))),
    (F.logsigmoid, lambda v: -np.log1p(np.exp(-v))),
    (torch.exp, np.exp),
    (torch.abs, abs),
    (torch.neg, operator.neg),
    (operator.neg, operator.neg),
    (torch.square, lambda v: v**2),
    (lambda x: x**3, lambda v: v**3),
    (lambda x: torch.pow(x, 2), lambda v: v**2),
    (lambda x: torch.clamp(x, min=-0.5, max=1.0), lambda v: np.clip(v, -0.5, 1)),
    (lambda x: x.clip(-1, 1), lambda v: np.clip(v, -1, 1)),
    (torch.sign, np.sign),
    (torch.reciprocal, lambda v: 1 / v),
    (lambda x: torch.sqrt(x.abs()), lambda v: np.sqrt(abs(v))),
    (lambda x: torch.rsqrt(x * x), lambda v: 1 / abs(v)),
    (lambda x: torch.log(x.abs()), lambda v: np.log(abs(v))),
    (
        nn.GELU(approximate='tanh'),
        lambda v: 0.5 * v * (1 + np.tanh(np.sqrt(2 / np.pi) * (v + 0.044715 * v**3))),
    ),
    (lambda x: x.clamp_min(0.3), lambda v: np.maximum(v, 0.3)),
    (lambda x: x.clamp_max(0.3), lambda v: np.minimum(v, 0.3)),
    (lambda x: F.threshold(x, 0.1, 7.0), lambda v: np.where(v > 0.1, v, 7.0)),
    (F.hardshrink, lambda v: np.where(abs(v) > 0.5, v, 0.0)),
    (F.softshrink, lambda v: np.sign(v) * np.maximum(abs(v) - 0.5, 0.0)),
    (F.tanhshrink, lambda v: v - np.tanh(v)),
    (torch.sin, np.sin),
    (torch.cos, np.cos),
    (torch.exp2, np.exp2),
    (torch.expm1, np.expm1),
    (torch.floor, np.floor),
    (torch.ceil, np.ceil),
    (torch.round, np.round),
    (lambda x: torch.log1p(x.abs()), lambda v: np.log1p(abs(v))),
    (lambda x: torch.log2(x.abs()), lambda v: np.log2(abs(v))),
    (lambda x: torch.log10(x.abs()), lambda v: np.log10(abs(v))),
    (lambda x: torch.where(x > 0, x, 0.1 * x), lambda v: np.where(v > 0, v, 0.1 * v)),
    (lambda x: torch.where(x <= 0.2, 1.5, x), lambda v: np.where(v <= 0.2, 1.5, v)),
    (lambda x: x.masked_fill(x >= 0.2, -1.0), lambda v: np.where(v >= 0.2, -1.0, v)),
    (lambda x: x.maximum(-x), abs),
    (lambda x: torch.minimum(x, x * x), lambda v: np.minimum(v, v * v)),
    (lambda x: torch.max(x, 2 * x), lambda v: np.maximum(v, 2 * v)),
    (lambda x: torch.min(x, x.neg()), lambda v: -abs(v)),
    (lambda x: torch.ones_like(x) + x, lambda v: 1 + v),
    (lambda x: torch.zeros_like(x) - x, operator.neg),
    (lambda x: torch.lerp(x, x * 3, 0.25), lambda v: 1.5 * v),
    (lambda x: torch.addcmul(x, x, x, value=2), lambda v: v + 2 * v * v),
    (lambda x: torch.addcdiv(x, x, x.exp(), value=2), lambda v: v + 2 * v / np.exp(v)),
    (nn.Dropout(0.5).eval(), lambda v: v),
    (nn.Identity(), lambda v: v),
]


@both
@pytest.mark.parametrize('number', range(len(FORMULAS)))
def test_functions_of_one_value(kind: Kind, number: int) -> None:
    function, formula = FORMULAS[number]
    for contiguous in (True, False):
        case = make_case(RAGGED, (2, 1))
        case.contiguous = contiguous
        expected = on_cells(case, formula)
        check(function(case.make(kind)), expected)
        last = function(case.last(kind))
        assert last.channels_last
        check(last.permute(0, 3, 1, 2), expected)


@both
def test_gelu(kind: Kind) -> None:
    case = make_case(RAGGED, (2, 1))
    erf = np.vectorize(lambda v: float(torch.erf(torch.tensor(v, dtype=torch.float64))))
    expected = on_cells(case, lambda v: v * (1 + erf(v / np.sqrt(2))) / 2)
    check(F.gelu(case.make(kind)), expected)  # type: ignore[arg-type]
    check(nn.GELU()(case.make(kind)), expected)


@both
@given(case=cases(), shape=st.sampled_from(['BC11', 'B111', '1C11', 'B1HW', 'BCHW']))
@quick(30)
def test_expanded_operands(kind: Kind, case: Case, shape: str) -> None:
    # Gates of channels come expanded to the whole map, as in ECA.
    other = operand(case, shape)
    x: Any = case.make(kind)
    whole = other.expand(case.images.shape).numpy()
    check(x * other.expand_as(x), on_cells(case, operator.mul, whole))
    check(
        torch.where(other > 2, x, -x),
        on_cells(case, lambda v, w: np.where(w > 2, v, -v), whole),
    )
    check(torch.addcmul(other, x, x), on_cells(case, lambda v, w: w + v * v, whole))  # type: ignore[call-overload]
    check(torch.maximum(x, other), on_cells(case, np.maximum, whole))


@both
def test_expanded_to_a_shape_that_does_not_fit(kind: Kind) -> None:
    x: Any = make_case(RAGGED, (2, 2)).make(kind)
    with pytest.raises((ValueError, RuntimeError)):
        x * torch.ones(2, 4, 1, 1, dtype=torch.float64).expand(2, 4, 3, 5)


SHAPES = ('()', '1', 'C11', '1C11', 'B111', 'BC11', 'CHW', 'BCHW', 'B1HW', 'HW', '1CH1')
OPERATORS = (operator.add, operator.sub, operator.mul, operator.truediv)


def operand(case: Case, shape: str) -> Tensor:
    """Make a dense operand whose values at masked cells are huge."""
    sizes = dict(zip('BCHW', case.images.shape, strict=True)) | {'1': 1}
    sides = () if shape == '()' else tuple(sizes[s] for s in shape)
    values = 1.5 + random(len(shape), *sides).abs()
    if shape == 'BCHW':
        values = values.masked_fill(~torch.from_numpy(case.seen)[:, None], 1e30)
    return values


@both
@given(
    case=cases(),
    shape=st.sampled_from(SHAPES),
    function=st.sampled_from(OPERATORS),
    swapped=st.booleans(),
)
@quick(120)
def test_map_and_tensor(
    kind: Kind, case: Case, shape: str, function: Any, swapped: bool
) -> None:
    other = operand(case, shape)
    whole = other.expand(case.images.shape).numpy()
    x: Any = case.make(kind)
    out = function(other, x) if swapped else function(x, other)
    turned = (lambda a, b: function(b, a)) if swapped else function
    check(out, on_cells(case, turned, whole))
    if other.dim() == 4:
        x, other = case.last(kind), other.permute(0, 2, 3, 1)
        out = function(other, x) if swapped else function(x, other)
        check(out.permute(0, 3, 1, 2), on_cells(case, turned, whole))


@both
@given(case=cases(), function=st.sampled_from(OPERATORS))
@quick()
def test_two_maps(kind: Kind, case: Case, function: Any) -> None:
    x: Any = case.make(kind)
    y = (x * 2 + 0.5).exp()
    values = np.exp(on_cells(case, lambda v: v * 2 + 0.5))
    check(function(x, y), on_cells(case, function, values))
    check(function(x, x), on_cells(case, lambda v: function(v, v)))


@both
@pytest.mark.parametrize('function', OPERATORS)
@pytest.mark.parametrize('number', [3, 0.5, np.float64(2.5)])
def test_numbers(kind: Kind, function: Any, number: float) -> None:
    case = make_case(RAGGED)
    x: Any = case.make(kind)
    check(function(x, number), on_cells(case, lambda v: function(v, number)))
    if not isinstance(number, np.float64):
        check(function(number, x), on_cells(case, lambda v: function(number, v)))


@both
def test_alpha_and_rounding(kind: Kind) -> None:
    case = make_case(RAGGED)
    x: Any = case.make(kind)
    check(torch.add(x, x, alpha=3), on_cells(case, lambda v: 4 * v))
    check(torch.sub(x, 2, alpha=3), on_cells(case, lambda v: v - 6))
    check(torch.rsub(x, 2, alpha=3), on_cells(case, lambda v: 2 - 3 * v))
    gain = random(0, 2, 4, 4, 6)
    found = torch.rsub(x, gain, alpha=3)
    check(found, on_cells(case, lambda v, w: w - 3 * v, gain.numpy()))
    check(
        torch.div(x, 0.3, rounding_mode='floor'),
        on_cells(case, lambda v: np.floor(v / 0.3)),
    )


@both
@pytest.mark.parametrize('exponent', [(1, 4, 1, 1), (2, 4, 2, 6), (2, 1, 1, 1)])
def test_tensors_as_exponents_and_limits(kind: Kind, exponent: tuple[int, ...]) -> None:
    case = make_case(RAGGED, (1, 2))
    other = 1 + random(3, *exponent).abs()
    whole = other.expand(case.images.shape).numpy()
    x: Any = case.make(kind)
    check(torch.pow(x.abs(), other), on_cells(case, lambda v, w: abs(v) ** w, whole))
    check(torch.clamp(x, max=other), on_cells(case, np.minimum, whole))


@both
@pytest.mark.parametrize(
    'shape', [(3, 4, 1, 1), (2, 4, 3, 1), (2, 3, 4, 6), (1, 1, 2, 4, 6)]
)
def test_tensors_that_do_not_fit(kind: Kind, shape: tuple[int, ...]) -> None:
    x: Any = make_case(RAGGED, (2, 2)).make(kind)  # [2, 4, 4, 6]
    with pytest.raises((RuntimeError, ValueError)):
        x * torch.ones(shape, dtype=torch.float64)


@both
@pytest.mark.parametrize('shape', ['()', 'C11', 'BC11', 'BCHW'])
@pytest.mark.parametrize('function', OPERATORS)
@pytest.mark.parametrize('swapped', [False, True])
def test_gradients(kind: Kind, shape: str, function: Any, swapped: bool) -> None:
    case = make_case([[[1, 0]], [[1, 1]]], (1, 2), channels=2)
    case.images = case.images.abs() + 0.5  # far from the pole of a division
    other = operand(case, shape).clamp(max=2.0)
    gradients(
        lambda x, o: function(o, x) if swapped else function(x, o), case, kind, other
    )


@both
def test_gradients_of_functions_of_one_value(kind: Kind) -> None:
    case = make_case([[[1, 0]], [[1, 1]]], (1, 2), channels=2)
    case.images = case.images.abs() + 0.5
    for function in (
        F.gelu,
        torch.log,
        torch.rsqrt,
        torch.reciprocal,
        F.silu,
        torch.sqrt,
    ):
        gradients(function, case, kind)
        # Bias before the function: masked cells hold values without a gradient.
        gradients(lambda x, b, f=function: f(x + b), case, kind, random(1, 2, 1, 1).abs())


@both
@pytest.mark.parametrize('last', [False, True])
def test_cat(kind: Kind, last: bool) -> None:
    case = make_case(RAGGED, (2, 1))
    first: Any = case.last(kind) if last else case.make(kind)
    second = first * 2
    expected = on_cells(case, lambda v: v)
    expected = np.concatenate([expected, 2 * expected, expected], 1)
    for dim in (3, -1) if last else (1, -3):
        out = torch.cat([first, second, first], dim=dim)
        check(out.permute(0, 3, 1, 2) if last else out, expected)  # type: ignore[attr-defined]
    joined: Any = torch.concat((first, second, first), 3 if last else 1)
    check(joined.permute(0, 3, 1, 2) if last else joined, expected)


@pytest.mark.parametrize('first', [False, True])
@both
def test_cat_with_a_dense_map(kind: Kind, first: bool) -> None:
    case = make_case(RAGGED, (2, 1), channels=2)
    other = random(5, *case.images.shape).requires_grad_()
    x: Any = case.make(kind)
    out: Any = torch.cat([other, x] if first else [x, other], 1)
    mine = on_cells(case, lambda v: v)
    theirs = on_cells(case, lambda v, w: w, other.detach().numpy())
    check(out, np.concatenate([theirs, mine] if first else [mine, theirs], 1))
    out.dense().sum().backward()
    seen = torch.from_numpy(case.seen)[:, None].expand(other.shape).double()
    assert other.grad is not None
    assert torch.equal(other.grad, seen)


@both
def test_gradients_of_cat(kind: Kind) -> None:
    case = make_case([[[1, 0]], [[1, 1]]], (1, 2), channels=2)
    gradients(lambda x, w: torch.cat([x, x * w], 1), case, kind, random(3, 2, 1, 1))


def join(first: Any, second: Any) -> Any:
    """Concatenate the channels of two maps."""
    return torch.cat([first, second], 1)


@both
@pytest.mark.parametrize('other', ['mask', 'size', 'layout', 'kind'])
@pytest.mark.parametrize('function', [*OPERATORS, join])
def test_maps_that_do_not_belong_together(kind: Kind, other: str, function: Any) -> None:
    case = make_case([[[1, 0], [0, 1]]], (2, 2), channels=4)  # shapes tell nothing
    masked = PatchGrid.from_mask(case.grid.masked, 32)
    bad: Any = dict(
        mask=lambda: kind.from_dense(case.images, masked),
        size=lambda: kind.from_dense(case.images[:, :, ::2, ::2], case.grid),
        layout=lambda: case.last(kind),
        kind=lambda: case.make(KINDS[1 - KINDS.index(kind)]),
    )[other]()
    said = 'combine' if kind is KINDS[0] else None  # the reference leaves it to torch
    with pytest.raises((ValueError, TypeError, RuntimeError), match=said):
        function(case.make(kind), bad)
