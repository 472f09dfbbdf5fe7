"""Operators of maps: comparisons value by value, and those without a meaning."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.sparse.common import RAGGED, Kind, both, check, make_case
from tests.sparse.test_elementwise import on_cells, operand
from videomac.sparse import UnsupportedOperationError

equalities = pytest.mark.parametrize('function', [operator.eq, operator.ne])
Function = Callable[..., Any]


@both
@equalities
@pytest.mark.parametrize('other', [0, 1.0, True, torch.tensor(-1.0)])
def test_equal_to_a_number(kind: Kind, function: Function, other: Any) -> None:
    case = make_case(RAGGED)
    x: Any = case.make(kind).round()
    expected = on_cells(case, lambda v: function(v.round(), float(other)))
    assert function(x, other).dtype == torch.bool
    check(function(x, other).double(), expected)
    check(function(other, x).double(), expected)
    check(getattr(torch, function.__name__)(x, other).double(), expected)


@both
@equalities
@pytest.mark.parametrize('shape', ['C11', 'BC11', 'BCHW'])
def test_equal_to_a_tensor(kind: Kind, function: Function, shape: str) -> None:
    case = make_case(RAGGED)
    other = operand(case, shape).round()
    x: Any = torch.round(case.make(kind).abs() + 1.5)
    expected = on_cells(
        case,
        lambda v, w: function((abs(v) + 1.5).round(), w),
        other.expand(case.images.shape).numpy(),
    )
    check(function(x, other).double(), expected)
    check(function(other, x).double(), expected)


@both
@equalities
def test_equal_to_a_map(kind: Kind, function: Function) -> None:
    case = make_case(RAGGED)
    x: Any = case.make(kind)
    expected = on_cells(case, lambda v: function(v, abs(v)))
    check(function(x, x.abs()).double(), expected)
    last = function(case.last(kind), case.last(kind).abs())
    check(last.double().permute(0, 3, 1, 2), expected)


@both
def test_masks_of_zeros(kind: Kind) -> None:
    case = make_case(RAGGED)
    x: Any = case.make(kind).relu()
    check(x * (x != 0) + (x == 0), on_cells(case, lambda v: v.clip(0) + (v <= 0)))


@both
@pytest.mark.parametrize('other', [None, 'relu', (1, 2)])
def test_a_map_is_nothing_else(kind: Kind, other: Any) -> None:
    case = make_case(RAGGED)
    for x in (case.make(kind), case.make(kind).flatten(2)):
        assert (x == other) is False
        assert (x != other) is True


@both
def test_equality_is_no_truth_value(kind: Kind) -> None:
    x: Any = make_case(RAGGED).make(kind)
    with pytest.raises(UnsupportedOperationError, match='bool'):
        assert x == x.abs()
    with pytest.raises(UnsupportedOperationError, match="'eq'"):
        _ = x.flatten(2) == x.flatten(2).abs()


@both
def test_collections_go_by_identity(kind: Kind) -> None:
    case = make_case(RAGGED)
    for x in (case.make(kind), case.make(kind).flatten(2)):
        assert x in [None, x]
        assert {x: 1}[x] == 1
        assert len({x, x}) == 1


@both
def test_absolute_values(kind: Kind) -> None:
    case = make_case(RAGGED)
    x: Any = case.make(kind)
    check(abs(x), on_cells(case, abs))
    check(abs(x.flatten(2)).unflatten(2, (4, 6)), on_cells(case, abs))


@both
@pytest.mark.parametrize('seen', ['map', 'view'])
@pytest.mark.parametrize(
    ('name', 'call'),
    [
        ('bitwise_not', lambda x: ~x),
        ('bitwise_and', lambda x: x & x),
        ('bitwise_and', lambda x: True & x),
        ('bitwise_or', lambda x: x | x),
        ('bitwise_or', lambda x: True | x),
        ('pow', lambda x: 2.0**x),
        ('remainder', lambda x: x % 1.0),
        ('floor_divide', lambda x: x // 0.5),
    ],
)
def test_operators_without_a_meaning(
    kind: Kind, seen: str, name: str, call: Function
) -> None:
    x: Any = make_case(RAGGED).make(kind)
    with pytest.raises(UnsupportedOperationError, match=name):
        call(x if seen == 'map' else x.flatten(2))
