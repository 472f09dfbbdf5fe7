"""Gradients of convolutions of every form, and autocast, against loops over cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from tests.sparse import oracle
from tests.sparse.common import (
    RAGGED,
    TOLERANCE,
    Case,
    gradients,
    make_case,
    quick,
    random,
)
from tests.sparse.oracle import Array, Pair
from videomac.sparse import PatchGrid, PatchTensor
from videomac.sparse.geometry import Window
from videomac.sparse.ops.halo_convolution import _depthwise_weight_grad, _library_grads


def conv_gradients(
    case: Case, weight: Array, grad: Array, stride: Pair, pad: Pair, dilation: Pair
) -> tuple[Array, Array]:
    """Gradients of the maps and the kernel, product by product.

    The kernel is [O, C / groups, k, l]; the number of groups follows from its shape.
    """
    x, seen = case.array, case.seen
    outputs, inputs, *size = weight.shape
    share = outputs * inputs // x.shape[1]
    of_x, of_weight = np.zeros_like(x), np.zeros_like(weight)
    for b, i, j in oracle.positions(oracle.strided(seen, stride)):
        window = oracle.offsets((i, j), (size[0], size[1]), stride, pad, dilation)
        for (k, m), (y, z) in window:
            if not oracle.inside((y, z), seen) or not seen[b, y, z]:
                continue
            for o in range(outputs):
                first = o // share * inputs
                mine = slice(first, first + inputs)
                of_x[b, mine, y, z] += grad[b, o, i, j] * weight[o, :, k, m]
                of_weight[o, :, k, m] += grad[b, o, i, j] * x[b, mine, y, z]
    return of_x, of_weight


#: Forms of kernels: channels of the map, outputs, inputs of a group.
FORMS = {
    'dense': (3, 4, 3),
    'wide': (2, 40, 2),
    'groups': (4, 6, 2),
    'depthwise': (4, 4, 1),
}


@st.composite
def settings(draw: Callable[..., Any]) -> dict[str, Any]:
    """Draw a map, a kernel that fits and how it slides."""
    channels, outputs, inputs = FORMS[draw(st.sampled_from(sorted(FORMS)))]
    stride = draw(st.sampled_from([1, 1, 2]))
    # 4 and 9 cells lie on both sides of what counts as a small patch.
    cells = tuple(stride * draw(st.integers(1, 3)) for _ in range(2))
    kernel = draw(st.sampled_from([3, 5] if stride == 1 else [3]))
    dilation = draw(st.sampled_from([1, 2])) if kernel == 3 else 1
    bits = draw(st.lists(st.booleans(), min_size=8, max_size=8))
    visible = np.array(bits).reshape(2, 2, 2)
    visible[0, 0, 0] = True
    seed = draw(st.integers(0, 99))
    return dict(
        case=make_case(visible, (cells[0], cells[1]), channels, seed),
        weight=random(seed + 1, outputs, inputs, kernel, kernel),
        stride=(stride, stride),
        pad=(dilation * (kernel // 2),) * 2,
        dilation=(dilation, dilation),
    )


@given(drawn=settings())
@quick(60)
def test_gradients_equal_those_of_loops(drawn: dict[str, Any]) -> None:
    case, options = drawn['case'], {k: drawn[k] for k in ('stride', 'pad', 'dilation')}
    weight = drawn['weight'].requires_grad_()
    images = case.images.clone().requires_grad_()
    groups = images.shape[1] // weight.shape[1]
    x: Any = PatchTensor.from_dense(images, case.grid)
    strides = options['stride'], options['pad'], options['dilation']
    out: Any = F.conv2d(x, weight, None, *strides, groups)
    grad = random(7, *out.shape)
    of_images, of_weight = torch.autograd.grad(out.dense(), (images, weight), grad)
    expected = conv_gradients(
        case, drawn['weight'].detach().numpy(), grad.numpy(), **options
    )
    for found, right in zip((of_images, of_weight), expected, strict=True):
        torch.testing.assert_close(
            found, torch.from_numpy(right), rtol=TOLERANCE, atol=TOLERANCE
        )


@pytest.mark.filterwarnings('ignore:Using padding')
@pytest.mark.parametrize(
    ('cells', 'kernel', 'groups'),
    [
        ((1, 1), 3, 1),  # one cell, dense
        ((1, 1), 7, 2),  # one cell, depthwise: most of the map is read
        ((1, 1), 4, 2),  # the same, unequal padding
        ((2, 2), 7, 2),
        ((3, 2), 3, 2),
        ((4, 4), 3, 1),  # more cells than a matrix product is used for
    ],
)
def test_gradcheck_of_each_way_to_compute(cells: Pair, kernel: int, groups: int) -> None:
    def function(x: Any, weight: Any, bias: Any) -> Any:
        return F.conv2d(x, weight, bias, padding='same', groups=groups)

    case = make_case(RAGGED, cells, channels=2)
    weight = random(3, 2, 2 // groups, kernel, kernel)
    gradients(function, case, PatchTensor, weight, random(4, 2))


@pytest.mark.parametrize('count', [0, 1, 3, 4, 9, 12])
@pytest.mark.parametrize('kernel', [3, 5])
@pytest.mark.parametrize('dilation', [1, 2])
def test_depthwise_kernels_on_single_cells(
    count: int, kernel: int, dilation: int
) -> None:
    """Few visible patches and many, which are reckoned in different ways."""
    visible = [[i * 5 % 12 < count for i in range(b, b + 12)] for b in range(2)]
    case = make_case(np.reshape(visible, (2, 3, 4)), (1, 1), 3)
    weight, pad = random(3, 3, 1, kernel, kernel), dilation * (kernel // 2)
    images = case.images.nan_to_num(0.0).requires_grad_()
    x: Any = PatchTensor.from_dense(images, case.grid)
    assert x.grid.per_sample == count
    out: Any = F.conv2d(x, weight.requires_grad_(), None, 1, pad, dilation, 3)
    grad = random(7, *out.shape)
    found = torch.autograd.grad(out.dense(), (images, weight), grad)
    right = conv_gradients(
        case, weight.detach().numpy(), grad.numpy(), (1, 1), (pad,) * 2, (dilation,) * 2
    )
    for value, expected in zip(found, right, strict=True):
        torch.testing.assert_close(value, torch.from_numpy(expected))


def test_pairs_of_cells_are_never_more_than_their_windows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There are as many as the square of the visible cells."""
    way = 'videomac.sparse.ops.halo_convolution._weight_grad_of_cells'
    for side, paired in ((3, True), (5, False), (14, False)):
        calls: list[Any] = []
        monkeypatch.setattr(way, lambda data, *_, calls=calls: calls.append(data))
        data = random(1, side * side, 1, 1, 2)
        weight = random(2, 2, 1, 7, 7).requires_grad_()
        x = PatchTensor(data, PatchGrid.full(1, (side, side), 1))
        out: Any = F.conv2d(x, weight, padding=3, groups=2)  # type: ignore[call-overload]
        out.dense().sum().backward()
        assert bool(calls) is paired


@pytest.mark.parametrize('groups', [1, 4])
@pytest.mark.parametrize('trained', ['input', 'kernel'])
def test_gradient_of_one_of_the_two(groups: int, trained: str) -> None:
    case = make_case(RAGGED, (3, 3))
    images = case.images.nan_to_num(0.0).requires_grad_(trained == 'input')
    weight = random(3, 4, 4 // groups, 3, 3).requires_grad_(trained == 'kernel')
    x: Any = PatchTensor.from_dense(images, case.grid)
    out: Any = F.conv2d(x, weight, padding=1, groups=groups)
    out.dense().sum().backward()
    ones, (of_x, of_weight) = np.ones(out.shape), (images.grad, weight.grad)
    right = conv_gradients(case, weight.detach().numpy(), ones, (1, 1), (1, 1), (1, 1))
    found, expected = (of_x, right[0]) if trained == 'input' else (of_weight, right[1])
    assert (of_weight if trained == 'input' else of_x) is None
    assert found is not None
    torch.testing.assert_close(found, torch.from_numpy(expected))


@pytest.mark.parametrize('groups', [1, 4])
@pytest.mark.parametrize('cells', [(1, 1), (2, 2), (4, 4)])
def test_autocast(groups: int, cells: Pair) -> None:
    case = make_case(RAGGED, cells)
    images = case.images.nan_to_num(0.0).float().requires_grad_()
    weight = random(3, 4, 4 // groups, 3, 3).float().requires_grad_()
    bias = random(4, 4).float().requires_grad_()
    with torch.autocast('cpu', torch.bfloat16):
        x: Any = PatchTensor.from_dense(images, case.grid)
        out: Any = F.conv2d(x, weight, bias, padding=1, groups=groups)
    assert out.dtype == torch.bfloat16
    found = torch.autograd.grad(out.dense().float().sum(), (images, weight, bias))
    assert all(g.dtype == torch.float32 for g in found)
    x = PatchTensor.from_dense(images, case.grid)
    plain: Any = F.conv2d(x, weight, bias, padding=1, groups=groups)
    right = torch.autograd.grad(plain.dense().sum(), (images, weight, bias))
    for value, expected in zip(found, right, strict=True):
        scale = expected.abs().max().item()
        torch.testing.assert_close(value, expected, rtol=0.05, atol=0.02 * scale)


@pytest.mark.parametrize('stride', [1, 2])
@pytest.mark.parametrize('dilation', [1, 2])
@pytest.mark.parametrize('way', ['rows of cells', 'library'])
def test_gradient_of_a_depthwise_kernel(stride: int, dilation: int, way: str) -> None:
    """Both ways, of which one is for GPUs, against a sum of products."""
    count, cells, kernel, channels = 5, (2, 3), (3, 4), 6
    height, width = (
        stride * (c - 1) + dilation * (k - 1) + 1
        for c, k in zip(cells, kernel, strict=True)
    )
    windows = random(1, count, height, width, channels)
    slid = random(2, count, *cells, channels)
    weight = random(3, channels, 1, *kernel)
    view = Window(kernel, (stride, stride), (0, 0), (0, 0), (dilation, dilation))
    if way == 'library':
        found = _library_grads(windows, weight, slid, view, (False, True))[1]
    else:
        found = _depthwise_weight_grad(windows, weight, slid, view)
    right = torch.zeros_like(weight)
    for k, m in np.ndindex(*kernel):
        for i, j in np.ndindex(*cells):
            seen = windows[:, stride * i + dilation * k, stride * j + dilation * m]
            right[:, 0, k, m] += (slid[:, i, j] * seen).sum(0)
    torch.testing.assert_close(found, right)
