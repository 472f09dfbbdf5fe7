"""Slices, splits and single channels of maps, against numpy on whole maps.

These operations move values and compute none, so that what numpy does to a map that is
zero where masked is what they must do, too.
"""

from __future__ import annotations

import gc
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn

from tests.sparse.common import (
    RAGGED,
    Case,
    Kind,
    both,
    cases,
    channels_first,
    check,
    make_case,
    masked_values,
    quick,
)
from videomac.sparse import UnsupportedOperationError


@both
@given(case=cases(), last=st.booleans(), data=st.data())
@quick(50)
def test_slices(kind: Kind, case: Case, last: bool, data: Any) -> None:
    channels = case.images.shape[1]
    start = data.draw(st.integers(-channels, channels - 1))
    stop = data.draw(st.none() | st.integers(-channels, channels + 2))
    step = data.draw(st.none() | st.integers(1, 3))
    part = slice(start, stop, step)
    assume(len(range(channels)[part]) > 0)
    x: Any = case.last(kind) if last else case.make(kind)
    index = (Ellipsis, part) if last else (slice(None), part)
    check(channels_first(x[index]), masked_values(case)[:, part])


@both
@given(case=cases(channels=6), last=st.booleans(), data=st.data())
@quick(50)
def test_splits(kind: Kind, case: Case, last: bool, data: Any) -> None:
    x: Any = case.last(kind) if last else case.make(kind)
    dim = data.draw(st.sampled_from([3, -1] if last else [1, -3]))
    number = data.draw(st.integers(1, 6))
    cut = data.draw(st.integers(1, 5))
    whole = torch.from_numpy(masked_values(case))
    pairs: Any = (
        (x.chunk(number, dim), whole.chunk(number, 1)),
        (torch.chunk(x, chunks=number, dim=dim), whole.chunk(number, 1)),
        (torch.split(x, number, dim), whole.split(number, 1)),
        (x.split([cut, 6 - cut], dim=dim), whole.split([cut, 6 - cut], 1)),
        (
            torch.split(x, split_size_or_sections=[cut, 6 - cut], dim=dim),
            whole.split([cut, 6 - cut], 1),
        ),
        (torch.tensor_split(x, number, dim), whole.tensor_split(number, 1)),
        (torch.tensor_split(x, [1, cut], dim), whole.tensor_split([1, cut], 1)),
    )
    for out, expected in pairs:
        kept = [part for part in out if part.channels]
        wanted = [part for part in expected if part.shape[1]]
        assert len(kept) == len(wanted)
        for part, one in zip(kept, wanted, strict=True):
            check(channels_first(part), one.numpy())


@both
def test_other_ways_to_take_channels(kind: Kind) -> None:
    case = make_case(RAGGED, channels=5)
    x: Any = case.make(kind)
    v = masked_values(case)
    order = torch.tensor([3, 0, 0])
    check(x.narrow(1, 2, 2), v[:, 2:4])
    check(torch.narrow(x, 1, -2, 2), v[:, 3:])
    check(x.index_select(1, order), v[:, order.numpy()])
    check(x[:, order], v[:, order.numpy()])
    check(x[:, 1:, :, :], v[:, 1:])
    assert x[:, :5] is x
    assert x[:, :, :, :] is x
    with pytest.raises(IndexError, match='channels'):
        x.narrow(1, 3, 3)
    with pytest.raises(ValueError, match='split'):
        x.split([1, 1], 1)


@both
def test_single_channels(kind: Kind) -> None:
    case = make_case(RAGGED, channels=3)
    x: Any = case.make(kind)
    one = x[:, 1]
    assert one.shape == (2, 4, 6)
    check(one.unsqueeze(1), masked_values(case)[:, 1:2])
    for number, part in enumerate(x.unbind(1)):
        check(part.unsqueeze(1) * 2, 2 * masked_values(case)[:, number : number + 1])
    check(x.select(1, -1).unsqueeze(1), masked_values(case)[:, 2:])


@both
@pytest.mark.parametrize('step', [2, 4])
@pytest.mark.parametrize('start', [(0, 0), (1, 0), (1, 1)])
def test_every_so_many_rows(kind: Kind, step: int, start: tuple[int, int]) -> None:
    # As in stems that make channels of blocks of pixels, and in factorised reductions.
    case = make_case(RAGGED, (4, 8))
    x: Any = case.make(kind)
    rows, cols = slice(start[0], None, step), slice(start[1], None, 2)
    out = x[:, :, rows, cols]
    check(out, masked_values(case)[:, :, rows, cols])
    check(x[..., rows, :], masked_values(case)[:, :, rows])


@both
@pytest.mark.parametrize(
    'index', [(slice(None), slice(None), slice(1, None)), (0,), (slice(0, 1),), (None,)]
)
def test_cells_and_samples_are_not_taken(kind: Kind, index: Any) -> None:
    with pytest.raises(UnsupportedOperationError, match="'getitem'"):
        make_case(RAGGED, (2, 2)).make(kind)[index]


@both
def test_change_in_place_of_a_map_of_which_a_part_is_in_use(kind: Kind) -> None:
    # In torch the change of one would be seen in the other.
    x: Any = make_case(RAGGED).make(kind)
    part = x[:, :2]
    with pytest.raises(UnsupportedOperationError, match='part is in use'):
        x += 1
    with pytest.raises(UnsupportedOperationError, match='part is in use'):
        nn.ReLU(inplace=True)(part)
    again = part.permute(0, 2, 3, 1)
    del part
    gc.collect()
    with pytest.raises(UnsupportedOperationError, match='part is in use'):
        x.mul_(2)
    del again
    gc.collect()
    x += 1


ALIASES: dict[str, Any] = {
    'every other channel': lambda x: x[:, ::2],
    'channels of a view': lambda x: x.view(2, 2, 2, 4, 6)[:, :, 0],
    'every other cell': lambda x: x[:, :, ::2, 1::2],
    'half of a view': lambda x: x.unflatten(1, (2, 2)).chunk(2, 2)[0].squeeze(2),
    'detached': lambda x: x.detach(),
    'same type': lambda x: x.to(x.dtype),
    'same type by name': lambda x: x.double(),
    'same device': lambda x: x.cpu(),
    'contiguous': lambda x: x.contiguous(),
}
COPIES: dict[str, Any] = {
    'picked channels': lambda x: x[:, torch.tensor([0, 2])],
    'index_select': lambda x: torch.index_select(x, 1, torch.tensor([0, 1, 2, 3])),
    'other type': lambda x: x.float().double(),
    'shuffled': lambda x: x.view(2, 2, 2, 4, 6).transpose(1, 2).reshape(2, 4, 4, 6),
    'permuted and copied': lambda x: x.permute(0, 2, 3, 1).contiguous(),
}


@both
@pytest.mark.parametrize('name', [*ALIASES, *COPIES])
def test_in_place_code_is_as_in_torch_or_an_error(kind: Kind, name: str) -> None:
    case = make_case([[[1, 1, 1], [1, 1, 1]]] * 2)
    make = (ALIASES | COPIES)[name]
    plain = case.images.clone()
    x: Any = case.make(kind)
    make(plain).mul_(3)
    assert torch.equal(plain, case.images) == (name in COPIES)
    other = make(x)
    try:
        other.mul_(3)
    except UnsupportedOperationError:
        assert name in ALIASES
        return
    check(x, plain.numpy())
    expected = make(case.images) * 3
    expected = expected.permute(0, 3, 1, 2) if other.channels_last else expected
    assert torch.equal(other.dense(), expected)


@both
def test_change_in_place_of_a_part_whose_whole_is_gone(kind: Kind) -> None:
    case = make_case(RAGGED)
    part = (case.make(kind) * 2)[:, 1:3]  # type: ignore[index, operator]
    gc.collect()
    part += part
    check(part, 4 * masked_values(case)[:, 1:3])
