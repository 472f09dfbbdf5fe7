"""Other shapes of maps, against numpy on whole maps.

These operations move values and compute none, so that what numpy does to a map that is
zero where masked is what they must do, too.
"""

from __future__ import annotations

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
    masked_values,
    quick,
    random,
)
from videomac.sparse import SparseMap, UnsupportedOperationError
from videomac.sparse.map_view import MapView


@both
@given(case=cases(channels=12), groups=st.sampled_from([1, 2, 3, 4, 6, 12]))
@quick(40)
def test_channel_shuffle(kind: Kind, case: Case, groups: int) -> None:
    x: Any = case.make(kind)
    b, c, h, w = x.shape
    expected = masked_values(case).reshape(b, groups, c // groups, h, w).swapaxes(1, 2)
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
    v = masked_values(case)
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
    check(x.movedim(1, -1).moveaxis(-1, 1), masked_values(case))
    check(x.transpose(1, 2).transpose(1, 2), masked_values(case))
    check(x.permute(dims=(0, 2, 3, 1)).permute(0, 3, 1, 2), masked_values(case))
    check(x.unsqueeze(1).squeeze(1), masked_values(case))
    check(x.view(-1, 4, 4, 6), masked_values(case))
    check(x.view(x.size()), masked_values(case))
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
@pytest.mark.parametrize('dim', [0, 2, 3, -1, -2])
def test_one_sample_row_or_column_stays(kind: Kind, dim: int) -> None:
    # Torch would drop the dimension; who goes on would meet another one.
    x: Any = make_case([[[1]]], (1, 1)).make(kind)
    with pytest.raises(UnsupportedOperationError, match=r"'squeeze'.*samples or cells"):
        x.squeeze(dim)


@both
def test_squeeze_of_more_than_one(kind: Kind) -> None:
    case = make_case(RAGGED)
    x: Any = case.make(kind)
    for dim in range(4):
        check(x.squeeze(dim), masked_values(case))


@both
@pytest.mark.parametrize('shape', [(36,), (-1,), (3, 12), (36, 1), (1, 36)])
def test_all_dimensions_in_one(kind: Kind, shape: tuple[int, ...]) -> None:
    x: Any = make_case([[[1]], [[0]], [[1]]], (1, 1), channels=12).last(kind)
    assert x.shape == (3, 1, 1, 12)
    with pytest.raises(UnsupportedOperationError, match='mixes samples, channels and'):
        x.reshape(shape)


@both
def test_one_value_without_dimensions(kind: Kind) -> None:
    x: Any = make_case([[[1]]], (1, 1), channels=1).make(kind)
    with pytest.raises(UnsupportedOperationError, match='mixes samples, channels and'):
        x.reshape(())


@both
def test_shapes_that_do_not_fit(kind: Kind) -> None:
    with pytest.raises(RuntimeError, match='invalid'):
        make_case(RAGGED).make(kind).view(2, 5, 4, 6)


@both
@given(case=cases(channels=6), parts=st.sampled_from([1, 2, 3]))
@quick(30)
def test_split_attention(kind: Kind, case: Case, parts: int) -> None:
    x: Any = case.make(kind)
    v = masked_values(case)
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
    v = masked_values(case)
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
