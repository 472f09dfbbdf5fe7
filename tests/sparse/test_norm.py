"""Normalisation layers against the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from hypothesis import strategies as st
from mmpretrain.models.utils import GRN, LayerNorm2d
from torch import Tensor, nn

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
from videomac.models.encoders.released import BatchGRN
from videomac.sparse import PatchTensor, SparseMap, UnsupportedOperationError

SMALL = (((1, 0), (1, 1)), ((0, 0), (0, 1)))


def randomise(layer: nn.Module) -> Any:
    """Give a layer parameters that matter."""
    layer.double()
    for i, value in enumerate(layer.parameters()):
        value.data = 1.0 + 0.5 * random(i, *value.shape)
    return layer


def plain(value: Tensor) -> oracle.Array:
    """Make an array of a parameter or a buffer."""
    return value.detach().clone().numpy()


@both
@given(
    case=cases(),
    training=st.booleans(),
    momentum=st.sampled_from([0.1, 0.7]),
    eps=st.sampled_from([1e-5, 1e-2]),
)
@quick(50)
def test_batch_norm(
    kind: Kind, case: Case, training: bool, momentum: float, eps: float
) -> None:
    assume(case.seen.sum() > 1)
    layer = randomise(nn.BatchNorm2d(case.images.shape[1], eps=eps, momentum=momentum))
    layer.running_mean.copy_(random(5, *layer.running_mean.shape))
    layer.running_var.copy_(random(6, *layer.running_mean.shape).exp())
    expected, mean, var = oracle.batch_norm(
        case.array,
        case.seen,
        plain(layer.weight),
        plain(layer.bias),
        (plain(layer.running_mean), plain(layer.running_var)),
        momentum,
        eps,
        training,
    )
    out = layer.train(training)(case.make(kind))
    check(out, expected)
    check(layer.running_mean, mean)
    check(layer.running_var, var)
    assert layer.num_batches_tracked == int(training)


@both
def test_batch_norm_without_memory_or_parameters(kind: Kind) -> None:
    case = make_case(EMPTY_SAMPLE, (2, 1))
    one, none = random(0, 4) * 0 + 1, random(0, 4) * 0
    expected, mean, var = oracle.batch_norm(
        case.array,
        case.seen,
        plain(one),
        plain(none),
        (plain(none), plain(one)),
        1.0,
        1e-5,
        True,
    )
    layer = nn.BatchNorm2d(4, affine=False, track_running_stats=False).double()
    check(layer(case.make(kind)), expected)
    check(layer.eval()(case.make(kind)), expected)
    averaging = nn.BatchNorm2d(4, momentum=None).double()
    check(averaging(case.make(kind)), expected)
    check(averaging.running_mean, mean)
    check(averaging.running_var, var)


@both
def test_batch_norm_of_a_single_value(kind: Kind) -> None:
    layer = nn.BatchNorm2d(4).double()
    with pytest.raises(ValueError, match='more than 1 value'):
        layer(make_case([[[1, 0]]], (1, 1)).make(kind))


@both
@given(case=cases(), eps=st.sampled_from([1e-6, 1e-2]))
@quick()
def test_layer_norm(kind: Kind, case: Case, eps: float) -> None:
    layer = randomise(LayerNorm2d(case.images.shape[1], eps=eps))
    expected = oracle.layer_norm(
        case.array, case.seen, plain(layer.weight), plain(layer.bias), eps
    )
    check(layer(case.make(kind)), expected)
    last = layer(case.last(kind), data_format='channel_last')
    assert last.channels_last
    check(last.permute(0, 3, 1, 2), expected)


@both
@given(
    case=cases(channels=4),
    groups=st.sampled_from([1, 2]),
    eps=st.sampled_from([1e-5, 1e-2]),
)
@quick(40)
def test_group_norm(kind: Kind, case: Case, groups: int, eps: float) -> None:
    layer = randomise(nn.GroupNorm(groups, 4, eps=eps))
    expected = oracle.group_norm(
        case.array, case.seen, groups, plain(layer.weight), plain(layer.bias), eps
    )
    check(layer(case.make(kind)), expected)


@both
def test_group_norm_options(kind: Kind) -> None:
    case = make_case(RAGGED, (2, 2))
    x: Any = case.make(kind)
    weight, bias = random(0, 4), random(1, 4)
    one, none = weight * 0 + 1, weight * 0
    for gain, shift in ((None, None), (weight, None), (None, bias)):
        expected = oracle.group_norm(
            case.array,
            case.seen,
            4,
            plain(one if gain is None else gain),
            plain(none if shift is None else shift),
            1e-5,
        )
        check(F.group_norm(x, 4, gain, shift), expected)
    check(
        torch.group_norm(x, 4, weight, bias),
        oracle.group_norm(case.array, case.seen, 4, plain(weight), plain(bias), 1e-5),
    )


@both
@pytest.mark.parametrize('groups', [1, 2, 4])
def test_group_norm_of_equally_many_patches(kind: Kind, groups: int) -> None:
    case = make_case([[[1, 0, 1]], [[0, 1, 1]], [[1, 1, 0]]], (2, 2))
    assert case.grid.per_sample == 2
    weight, bias = random(0, 4), random(1, 4)
    expected = oracle.group_norm(
        case.array, case.seen, groups, plain(weight), plain(bias), 1e-5
    )
    check(F.group_norm(case.make(kind), groups, weight, bias), expected)  # type: ignore[arg-type]
    gradients(lambda x, w, b: F.group_norm(x, groups, w, b), case, kind, weight, bias)


def test_group_norm_of_equally_many_patches_is_one_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    norm: Any = F.group_norm
    shapes: list[Any] = []

    def group_norm(x: Any, *args: Any) -> Any:
        shapes.append(x.shape)
        return norm(x, *args)

    monkeypatch.setattr(F, 'group_norm', group_norm)
    norm(make_case([[[1, 0, 1]], [[0, 1, 1]]] * 8, (2, 2)).make(PatchTensor), 2)
    assert shapes == [(16, 4, 8)]


@both
def test_group_norm_with_an_empty_sample_has_gradients(kind: Kind) -> None:
    case = make_case(EMPTY_SAMPLE, (2, 2))
    layer = randomise(nn.GroupNorm(2, 4))
    layer(case.make(kind)).dense().square().sum().backward()
    assert layer.weight.grad.isfinite().all()
    assert layer.bias.grad.isfinite().all()


@both
def test_group_norm_of_nothing(kind: Kind) -> None:
    layer = randomise(nn.GroupNorm(2, 4))
    case = make_case([[[0, 0]], [[0, 0]]])
    images = torch.ones_like(case.images).requires_grad_()
    out = layer(kind.from_dense(images, case.grid))
    check(out, np.zeros(images.shape))
    out.dense().sum().backward()
    for value in (images, *layer.parameters()):
        assert torch.equal(value.grad, torch.zeros_like(value))


@both
@given(case=cases(), momentum=st.sampled_from([0.1, 0.7]))
@quick(40)
def test_instance_norm(kind: Kind, case: Case, momentum: float) -> None:
    channels = case.images.shape[1]
    layer = nn.InstanceNorm2d(
        channels, momentum=momentum, affine=True, track_running_stats=True
    )
    randomise(layer)
    start = random(5, channels), random(6, channels).exp()
    layer.running_mean, layer.running_var = start[0].clone(), start[1].clone()
    expected, mean, var = oracle.instance_norm(
        case.array, case.seen, (plain(start[0]), plain(start[1])), momentum, layer.eps
    )
    gain, shift = (plain(p)[:, None, None] for p in (layer.weight, layer.bias))
    seen = case.seen[:, None]
    check(layer(case.make(kind)), (expected * gain + shift) * seen)
    check(layer.running_mean, mean)
    check(layer.running_var, var)
    check(nn.InstanceNorm2d(channels)(case.make(kind)), expected)
    gain = gain / np.sqrt(var + layer.eps)[:, None, None]
    values = np.where(seen, case.array, 0.0) - mean[:, None, None]
    check(layer.eval()(case.make(kind)), (values * gain + shift) * seen)


@both
@given(case=cases(), whole_batch=st.booleans())
@quick(40)
def test_grn(kind: Kind, case: Case, whole_batch: bool) -> None:
    make = BatchGRN if whole_batch else GRN
    layer = randomise(make(case.images.shape[1], eps=1e-4))
    expected = oracle.grn(
        case.array,
        case.seen,
        plain(layer.gamma),
        plain(layer.beta),
        1e-4,
        whole_batch,
    )
    out = layer(case.last(kind), data_format='channel_last')
    check(out.permute(0, 3, 1, 2), expected)
    check(layer(case.make(kind), data_format='channel_first'), expected)


@both
@pytest.mark.parametrize('visible', [SMALL, [[[1, 0]], [[0, 1]]]], ids=['ragged', 'even'])
@pytest.mark.parametrize(
    'name', ['batch', 'fixed', 'layer', 'group', 'instance', 'grn', 'batch_grn']
)
def test_gradients(kind: Kind, name: str, visible: Any) -> None:
    case = make_case(visible, (2, 1), channels=2)
    mean, var = random(1, 2), random(2, 2).exp()

    def function(x: Any, weight: Any, bias: Any) -> Any:
        if name in ('batch', 'fixed'):
            train = name == 'batch'
            return F.batch_norm(x, mean.clone(), var.clone(), weight, bias, train)
        if name == 'group':
            return F.group_norm(x, 1, weight, bias)
        if name == 'instance':
            return F.instance_norm(x, None, None, weight, bias)
        x = x.permute(0, 2, 3, 1)
        if name == 'layer':
            x = F.layer_norm(x, (2,), weight, bias)
        else:
            dims = (1, 2) if name == 'grn' else (0, 1, 2)
            response = torch.norm(x, p=2, dim=dims, keepdim=True)
            scale = response / (response.mean(dim=-1, keepdim=True) + 1e-6)
            x = weight * (x * scale) + bias + x
        return x.permute(0, 3, 1, 2)

    gradients(function, case, kind, random(3, 2), random(4, 2))


def wrong(kind: Kind, last: bool) -> SparseMap:
    """Make a square map, where a layer on the wrong layout would go unnoticed."""
    case = make_case([[[1, 0], [0, 1]]], (2, 2), channels=4)
    return case.last(kind) if last else case.make(kind)


@both
@pytest.mark.parametrize('shape', [(4,), (4, 4), (4, 4, 4)])
def test_layer_norm_over_space(kind: Kind, shape: tuple[int, ...]) -> None:
    layer = nn.LayerNorm(shape).double()
    with pytest.raises(UnsupportedOperationError, match='layer_norm'):
        layer(wrong(kind, last=False))


@both
def test_group_norm_of_channels_last(kind: Kind) -> None:
    with pytest.raises(UnsupportedOperationError, match='group_norm'):
        nn.GroupNorm(2, 4).double()(wrong(kind, last=True))


@both
def test_batch_norm_of_channels_last(kind: Kind) -> None:
    with pytest.raises(UnsupportedOperationError, match='batch_norm'):
        nn.BatchNorm2d(4).double()(wrong(kind, last=True))


@both
def test_unsupported_norms(kind: Kind) -> None:
    with pytest.raises(UnsupportedOperationError, match='instance_norm'):
        nn.InstanceNorm2d(4).double()(wrong(kind, last=True))
    with pytest.raises(UnsupportedOperationError, match='local_response_norm'):
        nn.LocalResponseNorm(2)(wrong(kind, last=False))
