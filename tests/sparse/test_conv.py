"""Convolutions and linear layers against the oracle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
    random,
    strided,
)
from tests.sparse.oracle import Pair
from videomac.sparse import UnsupportedOperationError


def sides() -> st.SearchStrategy[tuple[int, int, int, int]]:
    """Kernel, stride, padding and dilation along one side that keep the map's cut."""
    return st.sampled_from(
        [
            *((k, 1, d * (k - 1) // 2, d) for k in (1, 3, 5, 7) for d in (1, 2, 3)),
            *((k, 2, (k - 1) // 2, 1) for k in (1, 2, 3, 4, 5, 7)),
            *((k, 4, (k - 1) // 4, 1) for k in (1, 2, 4, 5)),
            (7, 4, 2, 1),
            (3, 2, 2, 2),
            (2, 1, 1, 2),  # taps on both sides of the cell, none on it
        ]
    )


@st.composite
def convolutions(draw: Callable[..., Any]) -> dict[str, Any]:
    """Draw a map, a kernel and the options of conv2d."""
    first = draw(sides())
    second = draw(st.just(first) | sides())
    kernel, stride, padding, dilation = zip(first, second, strict=True)
    groups, share, outputs = draw(
        st.sampled_from([(1, 1, 2), (1, 3, 2), (2, 2, 1), (3, 1, 2), (4, 1, 1)])
    )
    case = draw(cases(multiple=stride, channels=groups * share))
    seed = draw(st.integers(0, 99))
    weight = random(seed, groups * outputs, share, *kernel)
    return dict(
        case=case,
        weight=weight if draw(st.booleans()) else strided(weight),
        bias=random(seed + 1, groups * outputs) if draw(st.booleans()) else None,
        options=dict(stride=stride, padding=padding, dilation=dilation, groups=groups),
    )


@both
@given(drawn=convolutions())
@quick(80)
def test_conv2d(kind: Kind, drawn: dict[str, Any]) -> None:
    case, weight, bias = drawn['case'], drawn['weight'], drawn['bias']
    out = F.conv2d(case.make(kind), weight, bias, **drawn['options'])
    expected = oracle.conv2d(
        case.array,
        case.seen,
        weight.numpy(),
        None if bias is None else bias.numpy(),
        **drawn['options'],
    )
    check(out, expected)


@both
@pytest.mark.parametrize('visible', [RAGGED, EMPTY_SAMPLE], ids=['ragged', 'empty'])
@pytest.mark.parametrize('kernel', [1, 3, 5, 7])
@pytest.mark.parametrize('groups', [1, 4])
def test_integers_same_and_positions(
    kind: Kind, visible: Any, kernel: int, groups: int
) -> None:
    case = make_case(visible, (2, 3))
    weight, bias = random(3, 4, 4 // groups, kernel, kernel), random(4, 4)
    pad = kernel // 2
    plain: Any = oracle.conv2d(
        case.array,
        case.seen,
        weight.numpy(),
        bias.numpy(),
        padding=(pad, pad),
        groups=groups,
    )
    x: Any = case.make(kind)
    check(F.conv2d(x, weight, bias, 1, pad, 1, groups), plain)
    check(F.conv2d(x, weight, bias, padding='same', groups=groups), plain)
    check(F.conv2d(x, weight, bias, (1,), [pad], (1, 1), groups), plain)
    layer = torch.nn.Conv2d(4, 4, kernel, padding=pad, groups=groups).double()
    layer.load_state_dict(dict(weight=weight, bias=bias))
    check(layer(x), plain)


@both
@pytest.mark.filterwarnings('ignore:Using padding')
@pytest.mark.parametrize('kernel', [2, 4])
def test_same_padding_of_even_kernels(kind: Kind, kernel: int) -> None:
    case = make_case(RAGGED, (2, 3))
    weight = random(3, 2, 4, kernel, kernel)
    start = (kernel - 1) // 2
    x: Any = case.make(kind)
    out = F.conv2d(x, weight, padding='same')
    expected = oracle.conv2d(
        case.array, case.seen, weight.numpy(), padding=(start, start)
    )
    check(out, expected)


@both
def test_valid_padding(kind: Kind) -> None:
    case = make_case(RAGGED, (4, 2))
    weight = random(3, 2, 4, 2, 2)
    x: Any = case.make(kind)
    expected = oracle.conv2d(case.array, case.seen, weight.numpy(), stride=(2, 2))
    check(F.conv2d(x, weight, padding='valid', stride=2), expected)


GRADIENTS: list[tuple[int, int, int, int, int]] = [
    # kernel, stride, padding, dilation, groups: one for each way to compute it
    (1, 1, 0, 1, 1),
    (1, 2, 0, 1, 1),
    (2, 2, 0, 1, 1),
    (3, 1, 1, 1, 1),
    (3, 2, 1, 1, 1),
    (3, 1, 2, 2, 1),
    (3, 1, 1, 1, 2),
    (5, 2, 2, 1, 2),
]


@both
@pytest.mark.parametrize(('kernel', 'stride', 'padding', 'dilation', 'groups'), GRADIENTS)
def test_gradients(
    kind: Kind, kernel: int, stride: int, padding: int, dilation: int, groups: int
) -> None:
    case = make_case([[[1, 0], [1, 1]], [[0, 0], [0, 1]]], (2, 2), channels=2)

    def function(x: Any, weight: Any, bias: Any) -> Any:
        return F.conv2d(x, weight, bias, stride, padding, dilation, groups)

    weight = random(3, 2, 2 // groups, kernel, kernel)
    gradients(function, case, kind, weight, random(4, 2))


@both
@given(case=cases(), outputs=st.integers(1, 4), with_bias=st.booleans())
@quick()
def test_linear(kind: Kind, case: Case, outputs: int, with_bias: bool) -> None:
    weight = random(1, outputs, case.images.shape[1])
    bias = random(2, outputs) if with_bias else None
    out: Any = F.linear(case.last(kind), weight, bias).permute(0, 3, 1, 2)
    kernel = weight.numpy()[:, :, None, None]
    plain = None if bias is None else bias.numpy()
    check(out, oracle.conv2d(case.array, case.seen, kernel, plain))


@both
def test_gradients_of_linear(kind: Kind) -> None:
    case = make_case([[[1, 0], [1, 1]]], (1, 2), channels=3)

    def function(x: Any, weight: Any, bias: Any) -> Any:
        return F.linear(x.permute(0, 2, 3, 1), weight, bias).permute(0, 3, 1, 2)

    gradients(function, case, kind, random(3, 2, 3), random(4, 2))


@both
@pytest.mark.parametrize(
    ('kernel', 'options'),
    [
        (3, dict(padding=0)),
        (3, dict(padding=2)),
        (2, dict()),
        (3, dict(padding=1, dilation=2)),
        (4, dict(stride=2)),
        (2, dict(stride=2, dilation=2)),
    ],
)
def test_size_that_cannot_be_cut(
    kind: Kind, kernel: int, options: dict[str, Any]
) -> None:
    x: Any = make_case(RAGGED, (4, 4)).make(kind)
    with pytest.raises(UnsupportedOperationError, match=r'conv2d .*size of the map'):
        F.conv2d(x, random(0, 2, 4, kernel, kernel), **options)


@both
def test_stride_below_one_cell(kind: Kind) -> None:
    x: Any = make_case(RAGGED, (2, 1)).make(kind)
    said = r'conv2d .*horizontal stride 2 .*1 cell.*patch_size of 32 .*at least 64'
    with pytest.raises(ValueError, match=said):
        F.conv2d(x, random(0, 2, 4, 2, 2), stride=2)


@both
def test_stride_that_does_not_divide_the_cells(kind: Kind) -> None:
    x: Any = make_case(RAGGED, (3, 3)).make(kind)
    with pytest.raises(ValueError, match=r'stride 2 .*patch_size') as error:
        F.conv2d(x, random(0, 2, 4, 2, 2), stride=2)
    # Three cells are more than one, and a smaller patch would be no help.
    assert 'at least 21' not in str(error.value)


@both
@pytest.mark.parametrize('kernel', [1, 2, 3])
@pytest.mark.parametrize('mode', ['zeros', 'replicate'])
@pytest.mark.parametrize(
    ('shape', 'groups'),
    [((4, 2), 1), ((4, 1), 1), ((4, 1), 2), ((4, 4), 2), ((5, 2), 2), ((1, 2), 2)],
)
def test_kernels_for_other_channels(
    kind: Kind, kernel: int, mode: str, shape: Pair, groups: int
) -> None:
    """Torch's words, of which only the doubled brackets of its lists differ."""
    case = make_case(RAGGED, (4, 4))
    weight, pad = random(0, *shape, kernel, kernel), ((kernel - 1) // 2,) * 4
    options: Any = dict(stride=2 if kernel == 2 else 1, groups=groups)

    def error(x: Any) -> str:
        padded = x if mode == 'zeros' else F.pad(x, pad, mode)
        with pytest.raises(RuntimeError) as raised:
            F.conv2d(padded, weight, padding=pad[0] * (mode == 'zeros'), **options)
        return str(raised.value).replace('[[', '[').replace(']]', ']')

    assert error(case.make(kind)) == error(case.images)


@both
def test_layouts_that_the_layers_do_not_take(kind: Kind) -> None:
    case = make_case(RAGGED, (4, 4), channels=12)  # as many channels as columns
    x: Any = case.make(kind)
    with pytest.raises(UnsupportedOperationError, match='linear'):
        F.linear(x, random(0, 2, 12))
    square = make_case([[[1, 0], [0, 1]]], (2, 2), channels=4)
    with pytest.raises(UnsupportedOperationError, match='conv2d'):
        F.conv2d(square.last(kind), random(0, 2, 4, 1, 1))


@both
@pytest.mark.parametrize('mode', ['reflect', 'replicate', 'circular'])
@pytest.mark.parametrize('groups', [1, 4])
def test_padding_modes_other_than_zeros(kind: Kind, mode: Any, groups: int) -> None:
    # On the whole map with zeros at masked cells, by torch, which the test may trust.
    case = make_case(RAGGED)
    layer = torch.nn.Conv2d(4, 4, 3, 2, 1, padding_mode=mode, groups=groups).double()
    whole = layer(case.images.nan_to_num(0.0)).detach()
    seen = torch.from_numpy(oracle.strided(case.seen, (2, 2)))[:, None]
    check(layer(case.make(kind)), whole.masked_fill(~seen, 0.0).numpy())
