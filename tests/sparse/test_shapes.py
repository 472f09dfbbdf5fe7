"""Shapes, parts of channels and resizing of maps, against numpy on whole maps.

These operations move values and compute none, so that what numpy does to a map that is
zero where masked is what they must do, too.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from hypothesis import strategies as st
from mmpretrain.models.utils import channel_shuffle
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
    random,
)
from videomac.sparse import SparseMap, UnsupportedOperationError
from videomac.sparse.map_view import MapView

Array = oracle.Array


def values(case: Case) -> Array:
    """Dense values, zero where masked."""
    return np.where(case.seen[:, None], case.array, 0.0)


def first(x: Any) -> Any:
    """Show a map channels first."""
    return x.permute(0, 3, 1, 2) if x.channels_last else x


# --- parts of the channels ------------------------------------------------------------


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
    check(first(x[index]), values(case)[:, part])


@both
@given(case=cases(channels=6), last=st.booleans(), data=st.data())
@quick(50)
def test_splits(kind: Kind, case: Case, last: bool, data: Any) -> None:
    x: Any = case.last(kind) if last else case.make(kind)
    dim = data.draw(st.sampled_from([3, -1] if last else [1, -3]))
    number = data.draw(st.integers(1, 6))
    cut = data.draw(st.integers(1, 5))
    whole = torch.from_numpy(values(case))
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
            check(first(part), one.numpy())


@both
def test_other_ways_to_take_channels(kind: Kind) -> None:
    case = make_case(RAGGED, channels=5)
    x: Any = case.make(kind)
    v = values(case)
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
    check(one.unsqueeze(1), values(case)[:, 1:2])
    for number, part in enumerate(x.unbind(1)):
        check(part.unsqueeze(1) * 2, 2 * values(case)[:, number : number + 1])
    check(x.select(1, -1).unsqueeze(1), values(case)[:, 2:])


@both
@pytest.mark.parametrize('step', [2, 4])
@pytest.mark.parametrize('start', [(0, 0), (1, 0), (1, 1)])
def test_every_so_many_rows(kind: Kind, step: int, start: tuple[int, int]) -> None:
    # As in stems that make channels of blocks of pixels, and in factorised reductions.
    case = make_case(RAGGED, (4, 8))
    x: Any = case.make(kind)
    rows, cols = slice(start[0], None, step), slice(start[1], None, 2)
    out = x[:, :, rows, cols]
    check(out, values(case)[:, :, rows, cols])
    check(x[..., rows, :], values(case)[:, :, rows])


@both
@pytest.mark.parametrize(
    'index', [(slice(None), slice(None), slice(1, None)), (0,), (slice(0, 1),), (None,)]
)
def test_cells_and_samples_are_not_taken(kind: Kind, index: Any) -> None:
    with pytest.raises(UnsupportedOperationError, match="'getitem'"):
        make_case(RAGGED, (2, 2)).make(kind)[index]


# --- maps that share their values -----------------------------------------------------


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


@both
def test_change_in_place_of_a_part_whose_whole_is_gone(kind: Kind) -> None:
    case = make_case(RAGGED)
    part = (case.make(kind) * 2)[:, 1:3]  # type: ignore[index, operator]
    gc.collect()
    part += part
    check(part, 4 * values(case)[:, 1:3])


# --- shapes ---------------------------------------------------------------------------


@both
@given(case=cases(channels=12), groups=st.sampled_from([1, 2, 3, 4, 6, 12]))
@quick(40)
def test_channel_shuffle(kind: Kind, case: Case, groups: int) -> None:
    x: Any = case.make(kind)
    b, c, h, w = x.shape
    expected = values(case).reshape(b, groups, c // groups, h, w).swapaxes(1, 2)
    check(channel_shuffle(x, groups), expected.reshape(b, c, h, w))
    check(nn.ChannelShuffle(groups)(x), expected.reshape(b, c, h, w))
    by_hand = x.reshape(b, groups, -1, h, w).permute(0, 2, 1, 3, 4).contiguous()
    check(by_hand.flatten(1, 2), expected.reshape(b, c, h, w))


@both
@given(case=cases(), last=st.booleans())
@quick(30)
def test_tokens(kind: Kind, case: Case, last: bool) -> None:
    assume(case.images.shape[1] > 1)
    x: Any = case.last(kind) if last else case.make(kind)
    v = values(case)
    b, c, h, w = v.shape
    weight, gamma, beta = random(1, 3, c), random(2, c), random(3, c)
    tokens = x.reshape(b, h * w, c) if last else x.flatten(2).transpose(1, 2)
    assert tokens.shape == (b, h * w, c)
    normed = F.layer_norm(tokens, (c,), gamma, beta)
    out: Any = F.linear(normed, weight).transpose(1, 2).view(b, 3, h, w)
    seen = np.where(case.seen[:, None], case.array, 1.0)
    expected = oracle.layer_norm(seen, case.seen, gamma.numpy(), beta.numpy(), 1e-5)
    wide = np.einsum('oc,bchw->bohw', weight.numpy(), expected)
    check(out, np.where(case.seen[:, None], wide, 0.0))
    back = normed.reshape(b, h, w, c).permute(0, 3, 1, 2)
    check(back, expected)
    check((tokens * 2 + tokens).unflatten(1, (h, w)).permute(0, 3, 1, 2), 3 * v)


@both
def test_movements(kind: Kind) -> None:
    case = make_case(RAGGED)
    x: Any = case.make(kind)
    assert x.movedim(1, -1).channels_last
    check(x.movedim(1, -1).moveaxis(-1, 1), values(case))
    check(x.transpose(1, 2).transpose(1, 2), values(case))
    check(x.permute(dims=(0, 2, 3, 1)).permute(0, 3, 1, 2), values(case))
    check(x.unsqueeze(1).squeeze(1), values(case))
    check(x.view(-1, 4, 4, 6), values(case))
    check(x.view(x.size()), values(case))
    assert isinstance(x.flatten(2), MapView)
    assert x.flatten(2).shape == (2, 4, 24)
    assert len(x.flatten(2)) == 2
    assert x.flatten(2).dim() == 3
    assert 'shape=(2, 4, 24)' in repr(x.flatten(2))


@both
@pytest.mark.parametrize(
    'call',
    [
        lambda x: x.view(-1, 6),
        lambda x: x.view(2, 2, 2, 4, 3, 2),
        lambda x: x.reshape(2, 8, 2, 6),
        lambda x: x.flatten(1),
        lambda x: x.flatten(0, 1),
        lambda x: x.flatten(2).permute(2, 0, 1),
        lambda x: x.flatten(2) @ x.flatten(2).transpose(1, 2),
        lambda x: F.layer_norm(x.flatten(2), (24,)),
        lambda x: x.flatten(2).cumsum(1),
        lambda x: x.flatten(2).relu_(),
        lambda x: x.flatten(2)[:, :, :3],
        lambda x: x.flatten(2) + x.flatten(2).transpose(1, 2),
        lambda x: x.flatten(2) + x,
        lambda x: x.flatten(2).sum(0),
    ],
)
def test_shapes_that_mix_cells(kind: Kind, call: Any) -> None:
    with pytest.raises(UnsupportedOperationError):
        call(make_case(RAGGED).make(kind))


@both
def test_shapes_that_do_not_fit(kind: Kind) -> None:
    with pytest.raises(RuntimeError, match='invalid'):
        make_case(RAGGED).make(kind).view(2, 5, 4, 6)


@both
@given(case=cases(channels=6), parts=st.sampled_from([1, 2, 3]))
@quick(30)
def test_split_attention(kind: Kind, case: Case, parts: int) -> None:
    x: Any = case.make(kind)
    v = values(case)
    b, c, h, w = v.shape
    gates = random(5, b, parts, c // parts, 1, 1)
    blocks = v.reshape(b, parts, c // parts, h, w)
    view = x.view(b, parts, c // parts, h, w)
    for out, expected in (
        (view.sum(dim=1), blocks.sum(1)),
        (view.mean(1), blocks.mean(1)),
        (view.amax(1), blocks.max(1)),
        ((view * gates).sum(1), (blocks * gates.numpy()).sum(1)),
        ((view + view * gates).sum(1), (blocks * (1 + gates.numpy())).sum(1)),
        (
            (view - view.mean(1, keepdim=True)).flatten(1, 2),
            (blocks - blocks.mean(1, keepdims=True)).reshape(v.shape),
        ),
        (view[:, 0], blocks[:, 0]),
        (view.unbind(1)[-1], blocks[:, -1]),
    ):
        check(out, expected)
    pooled = oracle.sum_space(case.array, case.seen).reshape(b, parts, c // parts)
    check(view.sum((3, 4)), pooled)
    check(view.sum((1, 3, 4), keepdim=True), pooled.sum(1)[:, None, :, None, None])


@both
def test_stack_of_maps(kind: Kind) -> None:
    case = make_case(RAGGED)
    x: Any = case.make(kind)
    v = values(case)
    stacked: Any = torch.stack([x, x * 2, x * 3], dim=1)
    assert stacked.shape == (2, 3, 4, 4, 6)
    gates = random(5, 2, 3, 4, 1, 1)
    expected = (np.stack([v, 2 * v, 3 * v], 1) * gates.numpy()).sum(1)
    check((stacked * gates).sum(dim=1), expected)
    check(stacked.view(2, 12, 4, 6), np.concatenate([v, 2 * v, 3 * v], 1))
    with pytest.raises(UnsupportedOperationError, match="'stack'"):
        torch.stack([x, x])


@both
@given(case=cases(channels=2), last=st.booleans())
@quick(30)
def test_attention_pooling(kind: Kind, case: Case, last: bool) -> None:
    # Global context blocks: a softmax over the cells of a sample weights their sum.
    x: Any = case.make(kind)
    b, c, h, w = x.shape
    scores = x[:, :1].reshape(b, 1, h * w)
    share = F.softmax(scores, dim=-1).unsqueeze(3)
    context = torch.matmul(x.reshape(b, c, h * w).unsqueeze(1), share)
    expected = np.zeros((b, 1, c, 1))
    for i in range(b):
        cells = [
            case.array[i, :, y, z] for s, y, z in oracle.positions(case.seen) if s == i
        ]
        weights = np.exp([v[0] for v in cells])
        for weight, v in zip(weights, cells, strict=True):
            expected[i, 0, :, 0] += weight / weights.sum() * v
    check(context, expected)


# --- cells within a patch -------------------------------------------------------------


@both
@given(case=cases(multiple=(2, 2), channels=4))
@quick(30)
def test_pixel_shuffle(kind: Kind, case: Case) -> None:
    x: Any = case.make(kind)
    v = torch.from_numpy(values(case))
    b, c, h, w = v.shape
    assume(min(h, w) > 2)  # else [1, 2] may be two rows as well as a block of two
    check(F.pixel_shuffle(x, 2), F.pixel_shuffle(v, 2).numpy())
    check(nn.PixelUnshuffle(2)(x), F.pixel_unshuffle(v, 2).numpy())
    check(F.pixel_shuffle(F.pixel_unshuffle(x, 2), 2), v.numpy())
    # The same by views, in the order of channels of TResNet's stem.
    blocks = x.view(b, c, h // 2, 2, w // 2, 2).permute(0, 3, 5, 1, 2, 4).contiguous()
    expected = (
        values(case).reshape(b, c, h // 2, 2, w // 2, 2).transpose(0, 3, 5, 1, 2, 4)
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
    v = values(case)
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
    check(F.interpolate(x, size=(4, 6), mode='bilinear'), values(case))
    check(nn.Upsample(scale_factor=2)(x), values(case).repeat(2, 2).repeat(2, 3))


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


GRADIENTS: dict[str, Callable[[Any], Any]] = {
    'slice': lambda x: x[:, 1:],
    'strides': lambda x: x[:, ::2, 1::2, ::2],
    'chunk': lambda x: x.chunk(2, 1)[0] * x.chunk(2, 1)[1],
    'shuffle': lambda x: channel_shuffle(x, 2),
    'pixel_shuffle': lambda x: F.pixel_shuffle(x, 2),
    'pixel_unshuffle': lambda x: F.pixel_unshuffle(x, 2),
    'interpolate': lambda x: F.interpolate(x, scale_factor=2),
    'stack': lambda x: torch.stack([x, x * x], 1).sum(1),
    'tokens': lambda x: F.layer_norm(x.flatten(2).transpose(1, 2), (4,)).sum((1,)),
    'softmax': lambda x: (x.flatten(2).softmax(-1) * x.flatten(2)).sum(-1),
}


@both
@pytest.mark.parametrize('name', GRADIENTS)
@pytest.mark.parametrize('visible', [[[[1, 0], [1, 1]], [[0, 0], [0, 1]]], EMPTY_SAMPLE])
def test_gradients(kind: Kind, name: str, visible: Any) -> None:
    case = make_case(visible, (2, 2), channels=4)
    gradients(GRADIENTS[name], case, kind)


@both
def test_views_ask_the_map(kind: Kind) -> None:
    x: Any = make_case(RAGGED).make(kind)
    view = x.flatten(2)
    assert view.dtype == torch.float64
    assert view.device == x.device
    assert not view.requires_grad
    assert view.float().dtype == torch.float32
    assert isinstance(view.unflatten(2, (4, 6)), SparseMap)
