"""Operations of the backend Minkowski against the oracle."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from hypothesis import strategies as st
from mmpretrain.models.utils import GRN
from torch import nn

from tests.sparse import oracle
from tests.sparse.common import (
    EMPTY_SAMPLE,
    RAGGED,
    Case,
    cases,
    check,
    gradients,
    make_case,
    quick,
    random,
    strided,
)
from tests.sparse.minkowski import KIND, needs_engine
from videomac.models.encoders.released import BatchGRN
from videomac.registry import MODELS
from videomac.sparse import Minkowski, PatchGrid, UnsupportedOperationError

Side = tuple[int, int, int, int]
#: Kernel, stride, padding and dilation along one side that keep the map's cut.
SIDES: list[Side] = [
    *((k, 1, d * (k - 1) // 2, d) for k in (1, 3, 5, 7) for d in (1, 2)),
    *((k, 2, (k - 1) // 2, 1) for k in (1, 2, 3, 4, 5, 7)),
    *((k, 4, (k - 1) // 4, 1) for k in (1, 2, 4, 5)),
    (7, 4, 2, 1),
    (3, 2, 2, 2),
    (3, 3, 0, 1),
]
#: Those that MinkowskiEngine pools with.
AROUND = [s for s in SIDES if s[2] == (s[3] * (s[0] - 1) // 2 if s[0] % 2 else 0)]


def test_registered() -> None:
    assert MODELS.get('Minkowski') is Minkowski


def test_missing_engine_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'MinkowskiEngine', None)
    with pytest.raises(ImportError, match=r'`make minkowski`.*PatchSparse'):
        MODELS.build(dict(type='Minkowski'))
    with pytest.raises(ImportError, match='`make minkowski`'):
        make_case(RAGGED).make(KIND)


@st.composite
def convolutions(draw: Callable[..., Any]) -> dict[str, Any]:
    """Draw a map, a kernel and the options of conv2d."""
    first = draw(st.sampled_from(SIDES))
    second = draw(st.just(first) | st.sampled_from(SIDES))
    kernel, stride, padding, dilation = zip(first, second, strict=True)
    groups, share, outputs = draw(
        st.sampled_from([(1, 1, 2), (1, 3, 2), (2, 2, 1), (3, 1, 2), (4, 1, 1)])
    )
    seed = draw(st.integers(0, 99))
    weight = random(seed, groups * outputs, share, *kernel)
    return dict(
        case=draw(cases(multiple=stride, channels=groups * share)),
        weight=weight if draw(st.booleans()) else strided(weight),
        bias=random(seed + 1, groups * outputs) if draw(st.booleans()) else None,
        options=dict(stride=stride, padding=padding, dilation=dilation, groups=groups),
    )


def convolved(drawn: dict[str, Any]) -> oracle.Array:
    """What the oracle makes of it."""
    bias = drawn['bias']
    return oracle.conv2d(
        drawn['case'].array,
        drawn['case'].seen,
        drawn['weight'].numpy(),
        None if bias is None else bias.numpy(),
        **drawn['options'],
    )


@needs_engine
@given(drawn=convolutions())
@quick(80)
def test_conv2d(drawn: dict[str, Any]) -> None:
    x = drawn['case'].make(KIND)
    out = F.conv2d(x, drawn['weight'], drawn['bias'], **drawn['options'])
    check(out, convolved(drawn))


@needs_engine
def test_black_cells_are_visible() -> None:
    case = make_case(RAGGED)
    case.images = torch.where(random(1, *case.images.shape) > 0, case.images, 0.0)
    case.images[0] = 0.0
    weight, bias = random(2, 3, 4, 3, 3), random(3, 3)
    x: Any = case.make(KIND)
    out = F.conv2d(x, weight, bias, padding=1)
    expected = oracle.conv2d(
        case.array, case.seen, weight.numpy(), bias.numpy(), padding=(1, 1)
    )
    assert (expected[0] != 0).any()
    check(out, expected)


@needs_engine
def test_padding_before_a_convolution() -> None:
    case = make_case(RAGGED, cells=(4, 2))
    x: Any = case.make(KIND)
    weight = random(1, 2, 4, 3, 3)
    out = F.conv2d(F.pad(x, (0, 1, 1, 0)), weight, stride=2)
    options: dict[str, Any] = dict(stride=(2, 2), padding=(1, 0))
    check(out, oracle.conv2d(case.array, case.seen, weight.numpy(), **options))
    with pytest.raises(UnsupportedOperationError, match='reflect'):
        F.pad(x, (1, 1), mode='reflect')
    with pytest.raises(UnsupportedOperationError, match='padded'):
        F.max_pool2d(F.pad(x, (0, 1, 1, 0)), 3, 2)


@st.composite
def poolings(draw: Callable[..., Any]) -> tuple[Case, dict[str, Any]]:
    """Draw a map and the options of a pooling."""
    first = draw(st.sampled_from(AROUND))
    second = draw(st.just(first) | st.sampled_from([s for s in AROUND if s[3] == 1]))
    names = ('kernel', 'stride', 'padding', 'dilation')
    options = dict(zip(names, zip(first, second, strict=True), strict=True))
    pad, kernel = options['padding'], options['kernel']
    assume(all(2 * p <= k for p, k in zip(pad, kernel, strict=True)))  # torch's limit
    return draw(cases(multiple=options['stride'])), options


@needs_engine
@given(drawn=poolings())
@quick(50)
def test_pooling(drawn: tuple[Case, Any]) -> None:
    case, options = drawn
    x: Any = case.make(KIND)
    check(
        F.max_pool2d(x, *options.values()),
        oracle.max_pool2d(case.array, case.seen, **options),
    )
    if options.pop('dilation') == (1, 1):
        kernel, stride, padding = options.values()
        check(
            F.avg_pool2d(x, kernel, stride, padding, count_include_pad=False),
            oracle.avg_pool2d(case.array, case.seen, **options, count_include_pad=False),
        )


@needs_engine
@pytest.mark.parametrize(
    ('said', 'call'),
    [
        ('own cell', lambda x: F.conv2d(x, random(0, 2, 4, 2, 2), None, 1, 1, 2)),
        ('changes the size', lambda x: F.conv2d(x, random(0, 2, 4, 3, 3))),
        ('max_pool2d with kernel', lambda x: F.max_pool2d(x, 4, 2, 1)),
        ('count_include_pad', lambda x: F.avg_pool2d(x, 3, 1, 1)),
        ('max_pool2d', lambda x: F.max_pool2d(x, 2, return_indices=True)),
        ('adaptive_avg_pool2d', lambda x: F.adaptive_avg_pool2d(x, 2)),
        ('fft_fft2', torch.fft.fft2),
        ('cat', lambda x: torch.cat([x, x], 2)),
        ('layout', lambda x: F.linear(x, random(0, 4, 4))),
        ('reducing', lambda x: x.mean((1, 2))),
    ],
)
def test_what_has_no_equal_is_refused(said: str, call: Any) -> None:
    with pytest.raises(UnsupportedOperationError, match=said):
        call(make_case(RAGGED).make(KIND))


@needs_engine
@given(case=cases(), training=st.booleans())
@quick(30)
def test_batch_norm(case: Case, training: bool) -> None:
    assume(case.seen.sum() > 1)
    layer = nn.BatchNorm2d(case.images.shape[1]).double().train(training)
    for i, value in enumerate((*layer.parameters(), layer.running_mean)):
        assert value is not None
        value.data = 1.0 + 0.5 * random(i, *value.shape)
    values = [
        v.detach().clone().numpy() for v in (layer.weight, layer.bias, *layer.buffers())
    ]
    weight, bias, mean, var = values[:4]
    x: Any = case.make(KIND)
    expected, new_mean, new_var = oracle.batch_norm(
        case.array, case.seen, weight, bias, (mean, var), 0.1, 1e-5, training
    )
    check(layer(x), expected)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    check(layer.running_mean, new_mean)
    check(layer.running_var, new_var)


@needs_engine
@given(case=cases(channels=6))
@quick(30)
def test_other_norms(case: Case) -> None:
    weight, bias = random(1, 6), random(2, 6)
    arrays = (weight.numpy(), bias.numpy())
    out: Any = F.layer_norm(case.last(KIND), (6,), weight, bias, 1e-3)
    out = out.permute(0, 3, 1, 2)
    check(out, oracle.layer_norm(case.array, case.seen, *arrays, 1e-3))
    x: Any = case.make(KIND)
    for groups in (1, 3):
        out = F.group_norm(x, groups, weight, bias, 1e-3)
        check(out, oracle.group_norm(case.array, case.seen, groups, *arrays, 1e-3))
    for kind in (GRN, BatchGRN):
        layer: Any = kind(6).double()
        layer.gamma.data = weight.view(layer.gamma.shape)
        layer.beta.data = bias.view(layer.beta.shape)
        expected = oracle.grn(case.array, case.seen, *arrays, layer.eps, kind is BatchGRN)
        out = layer(case.last(KIND), data_format='channel_last')
        check(out.permute(0, 3, 1, 2), expected)


@needs_engine
@given(case=cases(), last=st.booleans(), keepdim=st.booleans())
@quick(40)
def test_over_space(case: Case, last: bool, keepdim: bool) -> None:
    x: Any = case.last(KIND) if last else case.make(KIND)
    dims = (1, 2) if last else (-1, -2)
    pairs = [
        (x.sum(dims, keepdim=keepdim), oracle.sum_space(case.array, case.seen)),
        (x.mean(dims, keepdim=keepdim), oracle.mean_space(case.array, case.seen)),
    ]
    for p in (1.0, 2.0, float('inf')):
        expected = oracle.norm_space(case.array, case.seen, p)
        pairs.append((x.norm(p, dims, keepdim=keepdim), expected))
    for out, expected in pairs:
        place = (slice(None), None, None) if last else (..., None, None)
        check(out, expected[place] if keepdim else expected)
    if not last:
        out = F.adaptive_avg_pool2d(x, 1)
        check(out, oracle.mean_space(case.array, case.seen)[..., None, None])


@needs_engine
def test_over_more_and_less_than_space() -> None:
    case = make_case(EMPTY_SAMPLE)
    x: Any = case.make(KIND)
    seen = case.images.permute(1, 0, 2, 3)[:, torch.from_numpy(case.seen)]  # [C, M]
    check(x.mean((0, 2, 3)), seen.mean(1).numpy())
    check(x.norm(dim=(0, 2, 3), keepdim=True), seen.norm(dim=1).view(1, -1, 1, 1).numpy())
    check(x.sum(), seen.sum().numpy())
    check(x.mean(), seen.mean().numpy())
    masked = ~torch.from_numpy(case.seen)[:, None]
    check(
        x.mean(1, keepdim=True),
        case.images.mean(1, True).masked_fill(masked, 0.0).numpy(),
    )


@needs_engine
@pytest.mark.parametrize('shape', [(4, 1, 1), (2, 4, 1, 1), (2, 4, 4, 6), (1, 1, 4, 6)])
@pytest.mark.parametrize(
    'operation',
    [
        lambda a, b: a + b,
        lambda a, b: b * a,
        lambda a, b: torch.sub(b, a, alpha=2),
        lambda a, b: a / b.abs(),
        lambda a, b: torch.addcmul(b, a, a * b),
        lambda a, b: F.gelu(a) - 2.0,
    ],
    ids=['add', 'mul', 'sub', 'div', 'addcmul', 'unary'],
)
def test_tensors_broadcast(operation: Any, shape: tuple[int, ...]) -> None:
    case, other = make_case(RAGGED), random(5, *shape)
    assert case.images.shape == (2, 4, 4, 6)
    masked = ~torch.from_numpy(case.seen)[:, None]
    expected = operation(case.images, other).masked_fill(masked, 0.0)
    check(operation(case.make(KIND), other), expected.numpy())


@needs_engine
def test_branches_meet_in_the_same_order() -> None:
    case = make_case(RAGGED, cells=(4, 4))
    x: Any = case.make(KIND)
    deep, short = random(1, 3, 4, 3, 3), random(2, 3, 4, 1, 1)
    down: Any = F.max_pool2d(x, 2)
    out = F.conv2d(x, deep, stride=4, padding=1) + F.conv2d(down, short, stride=2)
    pooled = oracle.max_pool2d(case.array, case.seen, (2, 2), (2, 2), (0, 0), (1, 1))
    seen = oracle.strided(case.seen, (2, 2))
    expected = oracle.conv2d(
        case.array, case.seen, deep.numpy(), stride=(4, 4), padding=(1, 1)
    ) + oracle.conv2d(pooled, seen, short.numpy(), stride=(2, 2))
    check(out, expected)
    assert torch.cat([x, x], 1).shape == (2, 8, 8, 12)
    with pytest.raises(ValueError, match='another order'):
        x + KIND.from_dense(case.images, case.grid)
    with pytest.raises(ValueError, match='different masks or sizes'):
        x + down


@needs_engine
def test_gradients() -> None:
    case = make_case(RAGGED)

    def conv(groups: int, stride: int) -> Callable[..., Any]:
        return lambda x, w, b: F.conv2d(x, w, b, stride, w.shape[2] // 2, groups=groups)

    for groups, stride, size in ((1, 1, 3), (1, 2, 3), (4, 1, 3), (4, 2, 3), (2, 1, 1)):
        weight, bias = random(1, 4, 4 // groups, size, size), random(2, 4)
        gradients(conv(groups, stride), case, KIND, weight, bias)
    gradients(lambda x: F.max_pool2d(x, 3, 2, 1), case, KIND)
    gradients(lambda x: F.avg_pool2d(x, 2), case, KIND)
    gradients(lambda x: x.norm(dim=(2, 3)), case, KIND)
    gradients(lambda x: F.group_norm(x, 2).mean((2, 3)), case, KIND)
    gradients(lambda x, s: x * s, case, KIND, random(3, 2, 4, 1, 1))


@needs_engine
def test_maps_it_cannot_hold() -> None:
    images = torch.zeros(2, 3, 64, 64)
    nothing = PatchGrid.from_mask(torch.zeros(2, 2, 2, dtype=torch.bool), 32)
    with pytest.raises(ValueError, match='none of the 8 patches is visible'):
        KIND.from_dense(images, nothing)
    full = PatchGrid.full(2, (64, 64), 32, device='meta')
    with pytest.raises(ValueError, match='on the CPU, got images on meta'):
        KIND.from_dense(images.to('meta'), full)


@needs_engine
def test_half_precision_runs_in_single() -> None:
    case = make_case(RAGGED)
    x: Any = case.make(KIND)
    weight = random(1, 4, 4, 3, 3)
    out: Any = F.conv2d(x, weight, padding=1)
    expected = out.dense()
    for kind in (torch.bfloat16, torch.float16):
        out = F.conv2d(x.to(kind), weight.to(kind), padding=1)
        assert out.dtype == kind
        torch.testing.assert_close(out.dense().double(), expected, rtol=0.05, atol=0.1)
        assert F.max_pool2d(x.to(kind), 2).dtype == kind
