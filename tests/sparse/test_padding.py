"""Padding before a window, of any amount and kind, against loops over cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torch.utils.checkpoint
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tests.sparse import oracle
from tests.sparse.common import (
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
from videomac.sparse import PatchGrid, PatchSparse, UnsupportedOperationError
from videomac.sparse.checkpointing import checkpoint_sparse_maps


@dataclass
class Side:
    """A window along one side, and the padding before it."""

    kernel: int
    stride: int
    dilation: int
    before: int
    after: int
    own: int


@st.composite
def sides(draw: Callable[..., Any], dilations: tuple[int, ...] = (1, 2)) -> Side:
    """Draw what keeps the cut of the map."""
    kernel = draw(st.integers(1, 5))
    stride = draw(st.sampled_from([1, 2, 4]))
    dilation = draw(st.sampled_from(dilations))
    extent = dilation * (kernel - 1)
    total = draw(st.integers(extent + 1 - stride, extent))
    own = draw(st.integers(0, min(kernel // 2, max(total // 2, 0))))
    rest = total - 2 * own
    before = draw(st.integers(min(0, rest), max(0, rest)))
    return Side(kernel, stride, dilation, before, rest - before, own)


@dataclass
class Drawn:
    """A map and the windows along both of its sides."""

    case: Case
    rows: Side
    cols: Side

    def pair(self, name: str) -> tuple[int, int]:
        """An option of both sides."""
        return getattr(self.rows, name), getattr(self.cols, name)

    @property
    def amounts(self) -> tuple[int, int, int, int]:
        """What is padded, in the order of torch."""
        return (self.cols.before, self.cols.after, self.rows.before, self.rows.after)


@st.composite
def drawn_windows(
    draw: Callable[..., Any], channels: int, dilations: tuple[int, ...] = (1, 2)
) -> Drawn:
    """Draw a map and windows."""
    rows, cols = draw(sides(dilations)), draw(sides(dilations))
    case = draw(cases(multiple=(rows.stride, cols.stride), channels=channels))
    return Drawn(case, rows, cols)


def cells_under(
    drawn: Drawn, place: tuple[int, int]
) -> Iterator[tuple[str, tuple[int, int], tuple[int, int]]]:
    """What a window of the output reads: kind of cell, kernel offset and place.

    The kinds are 'cell', 'padded' (before the window) and 'own' (by the window).
    """
    height, width = drawn.case.seen.shape[1:]
    for k, m in np.ndindex(*drawn.pair('kernel')):
        where, kind = [], 'cell'
        for side, size, index, tap in (
            (drawn.rows, height, place[0], k),
            (drawn.cols, width, place[1], m),
        ):
            at = index * side.stride - side.own - side.before + tap * side.dilation
            if not -side.before <= at < size + side.after:
                kind = 'own'
            elif not 0 <= at < size and kind == 'cell':
                kind = 'padded'
            where.append(at)
        yield kind, (k, m), (where[0], where[1])


@both
@given(drawn=drawn_windows(4), groups=st.sampled_from([1, 2, 4]))
@quick(60)
def test_conv2d(kind: Kind, drawn: Drawn, groups: int) -> None:
    weight = random(1, 4, 4 // groups, *drawn.pair('kernel'))
    x: Any = drawn.case.make(kind)
    padded = F.pad(x, drawn.amounts)
    out = F.conv2d(
        padded,
        weight,
        None,
        drawn.pair('stride'),
        drawn.pair('own'),
        drawn.pair('dilation'),
        groups,
    )
    seen, share = drawn.case.seen, 4 // groups
    expected = np.zeros(
        (len(seen), 4, *seen[0, :: drawn.rows.stride, :: drawn.cols.stride].shape)
    )
    strided = oracle.strided(seen, drawn.pair('stride'))
    for b, i, j in oracle.positions(strided):
        for cell, (k, m), (y, z) in cells_under(drawn, (i, j)):
            if cell == 'cell' and seen[b, y, z]:
                for g in range(groups):
                    mine = slice(g * share, (g + 1) * share)
                    values = drawn.case.array[b, mine, y, z]
                    expected[b, mine, i, j] += weight[mine, :, k, m].numpy() @ values
    check(out, expected)


@both
@given(drawn=drawn_windows(2), value=st.sampled_from([float('-inf'), 0.0, -0.5, 2.0]))
@quick(60)
def test_max_pool2d(kind: Kind, drawn: Drawn, value: float) -> None:
    x: Any = drawn.case.make(kind)
    out = F.max_pool2d(
        F.pad(x, drawn.amounts, value=value),
        drawn.pair('kernel'),
        drawn.pair('stride'),
        drawn.pair('own'),
        drawn.pair('dilation'),
    )
    seen = drawn.case.seen
    strided = oracle.strided(seen, drawn.pair('stride'))
    expected = np.zeros((len(seen), 2, *strided.shape[1:]))
    for b, i, j in oracle.positions(strided):
        found = [np.full(2, float('-inf'))]
        for cell, _, (y, z) in cells_under(drawn, (i, j)):
            if cell == 'padded':
                found.append(np.full(2, value))
            elif cell == 'cell' and seen[b, y, z]:
                found.append(drawn.case.array[b, :, y, z])
        most = np.max(found, axis=0)
        expected[b, :, i, j] = np.where(np.isinf(most), 0.0, most)
    check(out, expected)


@both
@given(
    drawn=drawn_windows(2, dilations=(1,)),
    value=st.sampled_from([0.0, 1.5]),
    include=st.booleans(),
)
@quick(60)
def test_avg_pool2d(kind: Kind, drawn: Drawn, value: float, include: bool) -> None:
    x: Any = drawn.case.make(kind)
    out = F.avg_pool2d(
        F.pad(x, drawn.amounts, value=value),
        drawn.pair('kernel'),
        drawn.pair('stride'),
        drawn.pair('own'),
        count_include_pad=include,
    )
    seen = drawn.case.seen
    strided = oracle.strided(seen, drawn.pair('stride'))
    expected = np.zeros((len(seen), 2, *strided.shape[1:]))
    for b, i, j in oracle.positions(strided):
        total, count = np.zeros(2), 0
        for cell, _, (y, z) in cells_under(drawn, (i, j)):
            if cell == 'own':
                count += include
            elif cell == 'padded':
                total, count = total + value, count + 1
            elif seen[b, y, z]:
                total, count = total + drawn.case.array[b, :, y, z], count + 1
        expected[b, :, i, j] = total / max(count, 1)
    check(out, expected)


@both
@pytest.mark.parametrize('last', [False, True])
def test_channels(kind: Kind, last: bool) -> None:
    case = make_case(RAGGED, channels=2)
    x: Any = case.last(kind) if last else case.make(kind)
    amounts = (1, 2) if last else (0, 0, 0, 0, 1, 2)
    out: Any = F.pad(x, amounts, value=3.0)
    assert out.channels_last == last
    values = np.where(case.seen[:, None], case.array, 0.0)
    new = np.where(case.seen[:, None], 3.0, 0.0)
    expected = np.concatenate([new, values, new, new], 1)
    check(out.permute(0, 3, 1, 2) if last else out, expected)


@both
def test_shape_of_a_padded_map(kind: Kind) -> None:
    x: Any = make_case(RAGGED, (2, 4)).make(kind)
    padded = F.pad(x, (1, 2, 3, 0))
    assert padded.shape == padded.size() == (2, 4, 4 + 3, 12 + 3)
    assert x.shape == (2, 4, 4, 12)
    again = F.pad(padded, (1, 0, 0, 1))
    assert again.shape == (2, 4, 8, 16)
    weight = random(0, 4, 4, 5, 5)
    out: Any = F.conv2d(again, weight)
    whole: Any = F.conv2d(F.pad(x, (2, 2, 3, 1)), weight)
    assert torch.equal(out.dense(), whole.dense())


@both
@pytest.mark.parametrize(
    'call',
    [
        lambda x: F.pad(x, (1, 1)) + 1,
        lambda x: torch.cat([x, F.pad(x, (1, 1))], 1),
        lambda x: F.pad(x, (1, 1)).permute(0, 2, 3, 1),
        lambda x: F.pad(x, (1, 1)).mean((2, 3)),
        lambda x: F.pad(F.pad(x, (1, 1)), (1, 1), value=2.0),
        lambda x: F.pad(F.pad(x, (-1, 0)), (1, 0)),
        lambda x: F.pad(x, (1, 1), mode='circular').relu(),
        lambda x: F.pad(x, (0, 0, 0, 0, 0, 0, 1, 0)),
        lambda x: F.pad(F.pad(x, (1, 1)), (0, 0, 0, 0, 1, 0)),
        lambda x: F.max_pool2d(F.pad(x, (-1, 1, -1, 1)), 3, 1, 1),
    ],
)
def test_what_a_padded_map_cannot_do(kind: Kind, call: Any) -> None:
    with pytest.raises(UnsupportedOperationError, match='pad'):
        call(make_case(RAGGED).make(kind))


@both
def test_padded_output_of_an_encoder(kind: Kind) -> None:
    grid = PatchGrid.full(1, (4, 4), 2)
    images = torch.ones(1, 3, 4, 4)
    with pytest.raises(UnsupportedOperationError, match='last operation'):
        PatchSparse().encode(nn.ZeroPad2d(1), images, grid)


@both
@pytest.mark.parametrize('groups', [1, 2])
@pytest.mark.parametrize('mode', ['constant', 'reflect', 'circular'])
def test_gradients_of_conv2d(kind: Kind, groups: int, mode: str) -> None:
    case = make_case([[[1, 0], [1, 1]], [[0, 0], [0, 1]]], (2, 2), channels=2)
    gradients(
        lambda x, w: F.conv2d(F.pad(x, (0, 1, 1, 0), mode), w, stride=2, groups=groups),
        case,
        kind,
        random(3, 2, 2 // groups, 3, 3),
    )


@both
@pytest.mark.parametrize('pool', [F.max_pool2d, F.avg_pool2d])
@pytest.mark.parametrize('value', [float('-inf'), 0.25])
def test_gradients_of_pooling(kind: Kind, pool: Any, value: float) -> None:
    if pool is F.avg_pool2d and np.isinf(value):
        value = 0.0
    case = make_case([[[1, 0], [1, 1]], [[0, 0], [0, 1]]], (2, 2), channels=2)
    gradients(lambda x: pool(F.pad(x, (0, 1, 1, 0), value=value), 3, 2), case, kind)


@both
@given(
    case=cases(multiple=(2, 2)),
    mode=st.sampled_from(['reflect', 'replicate', 'circular']),
)
@quick(20)
def test_modes(kind: Kind, case: Case, mode: str) -> None:
    weight = random(3, 2, case.images.shape[1], 3, 3)
    x: Any = case.make(kind)
    out = F.conv2d(F.pad(x, (1, 1, 1, 1), mode), weight, stride=2)
    values = np.where(case.seen[:, None], case.array, 0.0)
    names = {'reflect': 'reflect', 'replicate': 'edge', 'circular': 'wrap'}
    wide = np.pad(values, ((0, 0), (0, 0), (1, 1), (1, 1)), mode=names[mode])  # type: ignore[call-overload]
    seen = oracle.strided(case.seen, (2, 2))
    expected = np.zeros((len(values), 2, *seen.shape[1:]))
    for b, i, j in oracle.positions(seen):
        for k, m in np.ndindex(3, 3):
            expected[b, :, i, j] += (
                weight[:, :, k, m].numpy() @ wide[b, :, 2 * i + k, 2 * j + m]
            )
    check(out, expected)


@both
@pytest.mark.parametrize('use_reentrant', [False, True])
def test_checkpoint_of_a_padded_map(kind: Kind, use_reentrant: bool) -> None:
    case = make_case(RAGGED)
    weight = random(0, 2, 4, 3, 3).requires_grad_()
    padded = F.pad(case.make(kind), (1, 1, 1, 1))  # type: ignore[arg-type]
    expected: Any = F.conv2d(padded, weight)
    with checkpoint_sparse_maps():
        checkpoint = torch.utils.checkpoint.checkpoint
        out = checkpoint(F.conv2d, padded, weight, use_reentrant=use_reentrant)
    assert torch.equal(out.dense(), expected.dense())
