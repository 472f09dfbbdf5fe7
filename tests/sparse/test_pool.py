"""Pooling against the oracle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

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
from videomac.sparse import UnsupportedOperationError

Side = tuple[int, int, int, int]
#: Kernel, stride, padding and dilation along one side that keep the map's cut.
SIDES: list[Side] = [
    *((k, 1, (k - 1) // 2, 1) for k in (1, 3, 5, 7)),
    *((k, 2, (k - 1) // 2, 1) for k in (1, 2, 3, 4, 5, 7)),
    *((k, 4, (k - 1) // 4, 1) for k in (1, 2, 4, 5)),
]
#: Torch pads by half a kernel at most, which leaves few dilations.
DILATED: list[Side] = [(2, 2, 1, 2), (3, 4, 1, 2)]


@st.composite
def poolings(
    draw: Callable[..., Any], sides: list[Side]
) -> tuple[Case, dict[str, tuple[int, int]]]:
    """Draw a map and the options of a pooling."""
    first = draw(st.sampled_from(sides))
    second = draw(st.just(first) | st.sampled_from(sides))
    names = ('kernel', 'stride', 'padding', 'dilation')
    options = dict(zip(names, zip(first, second, strict=True), strict=True))
    return draw(cases(multiple=options['stride'])), options


@both
@given(drawn=poolings(SIDES + DILATED))
@quick(60)
def test_max_pool2d(kind: Kind, drawn: tuple[Case, Any]) -> None:
    case, options = drawn
    x: Any = case.make(kind)
    out = F.max_pool2d(
        x,
        options['kernel'],
        options['stride'],
        options['padding'],
        options['dilation'],
    )
    check(out, oracle.max_pool2d(case.array, case.seen, **options))


@both
@given(drawn=poolings(SIDES), count_include_pad=st.booleans())
@quick(60)
def test_avg_pool2d(kind: Kind, drawn: tuple[Case, Any], count_include_pad: bool) -> None:
    case, options = drawn
    options.pop('dilation')
    x: Any = case.make(kind)
    out = F.avg_pool2d(
        x,
        options['kernel'],
        options['stride'],
        options['padding'],
        count_include_pad=count_include_pad,
    )
    expected = oracle.avg_pool2d(
        case.array, case.seen, **options, count_include_pad=count_include_pad
    )
    check(out, expected)


@both
@pytest.mark.parametrize('visible', [RAGGED, EMPTY_SAMPLE], ids=['ragged', 'empty'])
def test_negative_maps_stay_negative(kind: Kind, visible: Any) -> None:
    case = make_case(visible, (2, 2))
    case.images = -1 - case.images.abs()
    x: Any = case.make(kind)
    out = nn.MaxPool2d(3, 2, 1)(x)
    check(out, oracle.max_pool2d(case.array, case.seen, (3, 3), (2, 2), (1, 1), (1, 1)))
    seen = torch.from_numpy(oracle.strided(case.seen, (2, 2)))
    assert (out.dense().permute(0, 2, 3, 1)[seen] <= -1).all()


@both
def test_modules_and_default_stride(kind: Kind) -> None:
    case = make_case(RAGGED, (4, 2))
    x: Any = case.make(kind)
    pair, none = (2, 2), (0, 0)
    largest = oracle.max_pool2d(case.array, case.seen, pair, pair, none, (1, 1))
    average = oracle.avg_pool2d(case.array, case.seen, pair, pair, none, True)
    for out in (
        nn.MaxPool2d(2)(x),
        F.max_pool2d(x, 2),
        torch.max_pool2d(x, kernel_size=[2]),
        F.max_pool2d(x, kernel_size=2, stride=2),
    ):
        check(out, largest)
    for out in (
        nn.AvgPool2d(2)(x),
        F.avg_pool2d(x, (2, 2)),
        nn.AvgPool2d(2, 2, ceil_mode=False, count_include_pad=False)(x),
    ):
        check(out, average)


@both
@pytest.mark.parametrize('include', [True, False])
def test_all_visible_is_the_dense_operation(kind: Kind, include: bool) -> None:
    case = make_case([[[1, 1], [1, 1]]], (2, 4))
    x: Any = case.make(kind)
    for layer in (
        nn.AvgPool2d(3, 2, 1, count_include_pad=include),
        nn.AvgPool2d(5, 1, 2, count_include_pad=include),
        nn.MaxPool2d(3, 2, 1),
        nn.AdaptiveAvgPool2d(1),
    ):
        check(layer(x), layer(case.images).numpy())


@both
@pytest.mark.parametrize('kernel', [2, 3])
@pytest.mark.parametrize('pool', [F.max_pool2d, F.avg_pool2d])
def test_gradients(kind: Kind, kernel: int, pool: Any) -> None:
    case = make_case([[[1, 0], [1, 1]], [[0, 0], [0, 1]]], (2, 2), channels=2)
    gradients(lambda x: pool(x, kernel, 2, kernel // 3), case, kind)


@both
def test_gradients_without_padding_counted(kind: Kind) -> None:
    case = make_case([[[1, 0], [1, 1]]], (2, 1), channels=2)

    def function(x: Any) -> Any:
        return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)

    gradients(function, case, kind)


@both
@given(case=cases(empty_samples=False))
@quick()
def test_global_average(kind: Kind, case: Case) -> None:
    expected = oracle.mean_space(case.array, case.seen)[:, :, None, None]
    x: Any = case.make(kind)
    check(F.adaptive_avg_pool2d(x, 1), expected)
    check(nn.AdaptiveAvgPool2d((1, 1))(x), expected)


@both
@pytest.mark.parametrize(
    'layer',
    [
        nn.MaxPool2d(3, 2, 1, ceil_mode=True),
        nn.AvgPool2d(3, 2, 1, ceil_mode=True),
        nn.AvgPool2d(3, 2, 1, divisor_override=2),
        nn.MaxPool2d(3, 2, 1, return_indices=True),
        nn.AdaptiveAvgPool2d(2),
        nn.AdaptiveMaxPool2d((1, 2)),
        nn.AdaptiveMaxPool2d(1, return_indices=True),
        nn.LPPool2d(2, 2),
    ],
    ids=str,
)
def test_unsupported_pooling(kind: Kind, layer: Any) -> None:
    with pytest.raises(UnsupportedOperationError, match='pool'):
        layer(make_case(RAGGED, (4, 4)).make(kind))


@both
@pytest.mark.parametrize('pool', [F.max_pool2d, F.avg_pool2d])
def test_errors(kind: Kind, pool: Any) -> None:
    case = make_case(RAGGED, (2, 1))
    with pytest.raises(ValueError, match=r'pool2d .*horizontal stride 2.*patch_size'):
        pool(case.make(kind), 2)
    with pytest.raises(UnsupportedOperationError, match=r'pool2d .*size of the map'):
        pool(case.make(kind), 3, 1, 0)


@both
@pytest.mark.parametrize('pool', [F.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d])
def test_channels_last(kind: Kind, pool: Any) -> None:
    square = make_case([[[1, 0], [0, 1]]], (2, 2), channels=4)
    with pytest.raises(UnsupportedOperationError, match='pool'):
        pool(square.last(kind), 1)


@both
def test_windows_without_any_visible_cell(kind: Kind) -> None:
    # Dilated windows of even size jump over their own cell, here over all visible ones.
    x: Any = make_case([[[1, 0, 0]]], (1, 1)).make(kind)
    out = F.max_pool2d(x, 2, 1, 1, dilation=2)
    assert out.dense().isfinite().all()  # type: ignore[attr-defined]


@both
@pytest.mark.parametrize('pool', [F.max_pool2d, F.avg_pool2d])
@pytest.mark.parametrize('visible', [RAGGED, EMPTY_SAMPLE], ids=['ragged', 'empty'])
@pytest.mark.parametrize('kernel', [1, 2, 3])
def test_ceil_mode(kind: Kind, pool: Any, visible: Any, kernel: int) -> None:
    # The last window may hang over the end: of a map whose size the stride divides, by
    # one cell for a kernel of three. The cells that are not there do not count.
    case = make_case(visible, (2, 4))
    out = pool(case.make(kind), kernel, 2, 0, ceil_mode=True)
    seen = oracle.strided(case.seen, (2, 2))
    expected = np.zeros((2, 4, *seen.shape[1:]))
    for b, i, j in oracle.positions(seen):
        values = [
            case.array[b, :, y, z]
            for y in range(2 * i, min(2 * i + kernel, case.seen.shape[1]))
            for z in range(2 * j, min(2 * j + kernel, case.seen.shape[2]))
            if case.seen[b, y, z]
        ]
        function: Any = np.max if pool is F.max_pool2d else np.mean
        expected[b, :, i, j] = function(values, axis=0)
    check(out, expected)


@both
@pytest.mark.parametrize('pool', [nn.MaxPool2d, nn.AvgPool2d])
@pytest.mark.parametrize(
    'options', [(1, 2, 0), (2, 2, 0), (3, 2, 0), (4, 4, 0), (5, 4, 0), (7, 4, 1)]
)
def test_ceil_mode_with_all_visible(kind: Kind, pool: Any, options: Any) -> None:
    case = make_case([[[1, 1], [1, 1]]], (4, 4))
    layer = pool(*options, ceil_mode=True)
    check(layer(case.make(kind)), layer(case.images).numpy())


@both
@pytest.mark.parametrize('pool', [nn.MaxPool2d, nn.AvgPool2d])
def test_ceil_mode_that_adds_a_row(kind: Kind, pool: Any) -> None:
    with pytest.raises(UnsupportedOperationError, match='size of the map'):
        pool(3, 2, 1, ceil_mode=True)(make_case(RAGGED, (2, 2)).make(kind))
