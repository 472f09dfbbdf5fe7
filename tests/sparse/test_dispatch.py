"""How sparse maps pose as tensors: queries, operators, in-place code, errors."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn

from tests.sparse.common import RAGGED, Case, Kind, both, check, make_case, random
from videomac.sparse import (
    MaskedDense,
    MaskedTensor,
    PatchGrid,
    PatchSparse,
    PatchTensor,
    UnsupportedOperationError,
)


def values(case: Case) -> Any:
    """Dense values, zero where masked."""
    return case.images.nan_to_num(0.0).numpy()


def seen(case: Case) -> Tensor:
    """Visible cells as floats, [B, 1, H, W]."""
    return torch.from_numpy(case.seen)[:, None].double()


@both
def test_queries(kind: Kind) -> None:
    case = make_case(RAGGED, (2, 4), channels=5)
    x: Any = case.make(kind)
    y = x.permute(0, 2, 3, 1)
    assert x.shape == x.size() == torch.Size((2, 5, 4, 12))
    assert y.shape == y.size() == torch.Size((2, 4, 12, 5))
    assert isinstance(x.shape, torch.Size)
    assert (x.size(1), x.size(-1), x.size(dim=2), y.size(-1)) == (5, 12, 4, 5)
    assert (x.shape[0], x.shape[-2], len(x)) == (2, 4, 2)
    assert x.dim() == x.ndim == y.ndim == 4
    assert x.numel() == 2 * 5 * 4 * 12
    assert (x.channels, x.cells, y.channels, y.cells) == (5, (2, 4), 5, (2, 4))
    assert x.dtype == torch.float64
    assert x.device == torch.device('cpu')
    assert x.is_floating_point()
    assert not x.is_cuda
    assert not x.requires_grad
    assert (x * torch.ones(1, requires_grad=True)).requires_grad
    for tensor in (x.new_zeros(2, 3), x.new_empty((2, 3)), x.new_tensor([[1.0] * 3] * 2)):
        assert isinstance(tensor, Tensor)
        assert (tensor.dtype, tensor.shape) == (torch.float64, (2, 3))


@both
def test_flags_of_tensors_are_not_mistaken(kind: Kind) -> None:
    x: Any = make_case(RAGGED).make(kind)
    for name in ('is_sparse', 'is_quantized', 'is_mkldnn', 'is_meta', 'is_nested'):
        assert not getattr(x, name, False), name
    for name in ('T', 'mT', 'H', 'grad', 'grad_fn', 'layout'):
        assert not callable(getattr(x, name, None)), name


@both
def test_repr(kind: Kind) -> None:
    case = make_case(RAGGED, (2, 4), channels=5)
    assert repr(case.make(kind)) == (
        f'{kind.__name__}(shape=(2, 5, 4, 12), visible=7 of 12 patches, '
        'dtype=torch.float64, device=cpu)'
    )
    assert 'shape=(2, 4, 12, 5)' in repr(case.last(kind))


@both
def test_unknown_attributes(kind: Kind) -> None:
    x: Any = make_case(RAGGED).make(kind)
    assert not hasattr(x, 'no_such_thing')
    with pytest.raises(AttributeError, match='no_such_thing'):
        _ = x.no_such_thing


@both
def test_copies(kind: Kind) -> None:
    case = make_case(RAGGED)
    x: Any = case.make(kind)
    for other in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        check(other, values(case))


@both
def test_methods(kind: Kind) -> None:
    case = make_case(RAGGED)
    x: Any = case.make(kind)
    v = values(case)
    gamma = random(0, 4).view(1, -1, 1, 1)
    check(x.mul(gamma), v * gamma.numpy())
    check(x.add(x, alpha=2), 3 * v)
    check(x.sub(x).add(x), v)
    check(x.div(4), v / 4)
    check(x.multiply(2).divide(2).subtract(x), 0 * v)
    check(x.relu().neg().abs(), v.clip(0))
    check(x.pow(2).clamp(min=0.5, max=1.0), (v**2).clip(0.5, 1) * seen(case).numpy())
    check(x.contiguous(memory_format=torch.channels_last).clone().detach(), v)


@both
def test_keywords(kind: Kind) -> None:
    case = make_case(RAGGED)
    x: Any = case.make(kind)
    weight, bias = random(0, 4, 4, 3, 3), random(1, 4)
    plain: Any = F.conv2d(x, weight, bias, 1, 1)
    check(F.conv2d(x, weight=weight, bias=bias, padding=1), plain.dense())
    check(F.relu(input=x), values(case).clip(0))
    last = x.permute(0, 2, 3, 1)
    out: Any
    for out in (
        F.layer_norm(input=last, normalized_shape=(4,)),
        F.layer_norm(last, [4], eps=1e-5),
    ):
        expected: Any = F.layer_norm(last, (4,))
        assert torch.equal(out.dense(), expected.dense())


@both
@pytest.mark.parametrize(
    'name', ['conv2d', 'linear', 'gelu', 'add', 'mul', 'cat', 'mean']
)
def test_the_map_itself_as_a_keyword(kind: Kind, name: str) -> None:
    case = make_case(RAGGED)
    x: Any = case.make(kind)
    last = x.permute(0, 2, 3, 1)
    weight = random(0, 4, 4)
    calls: Any = dict(
        conv2d=lambda: F.conv2d(input=x, weight=weight[:, :, None, None]),
        linear=lambda: F.linear(input=last, weight=weight),
        gelu=lambda: F.gelu(input=x),
        add=lambda: torch.add(input=x, other=x),
        mul=lambda: x.mul(other=x),
        cat=lambda: torch.cat(tensors=[x, x], dim=1),
        mean=lambda: torch.mean(input=x, dim=(2, 3)),
    )
    positional: Any = dict(
        conv2d=lambda: F.conv2d(x, weight[:, :, None, None]),
        linear=lambda: F.linear(last, weight),
        gelu=lambda: F.gelu(x),
        add=lambda: torch.add(x, x),
        mul=lambda: x.mul(x),
        cat=lambda: torch.cat([x, x], 1),
        mean=lambda: torch.mean(x, (2, 3)),
    )
    out, expected = calls[name](), positional[name]()
    if not isinstance(out, Tensor):
        out, expected = out.dense(), expected.dense()
    assert torch.equal(out, expected)


@both
def test_inplace_operators_reach_every_holder(kind: Kind) -> None:
    case = make_case(RAGGED)
    x: Any = case.make(kind)
    v = values(case)
    holder, before = x, x.clone()
    x += 1
    assert x is holder
    x *= 2
    x -= before
    x /= torch.full((1, 4, 1, 1), 4.0, dtype=torch.float64)
    assert x is holder
    check(holder, ((v + 1) * 2 - v) / 4 * seen(case).numpy())
    check(before, v)
    assert F.relu(x, inplace=True) is x  # type: ignore[comparison-overlap]
    assert nn.ReLU(inplace=True)(x) is x
    check(holder, (((v + 1) * 2 - v) / 4 * seen(case).numpy()).clip(0))
    assert x.add_(1) is x
    assert x.mul_(0) is x
    assert torch.relu_(x) is x
    check(holder, 0 * v)


@both
def test_inplace_leaves_others_alone(kind: Kind) -> None:
    case = make_case(RAGGED)
    x: Any = case.make(kind)
    v = values(case)
    y = x * 1
    y += x
    nn.ReLU(inplace=True)(y)
    check(x, v)
    check(y, (2 * v).clip(0))


@both
def test_inplace_and_autograd(kind: Kind) -> None:
    case = make_case(RAGGED)
    images = case.images.nan_to_num(0.0).requires_grad_()
    x: Any = kind.from_dense(images, case.grid)
    y = torch.exp(x)  # its gradient needs the values from before
    y += x
    y = nn.ReLU(inplace=True)(y)
    y.dense().sum().backward()
    v = images.detach()
    expected = (v.exp() + 1) * (v.exp() + v > 0) * seen(case)
    torch.testing.assert_close(images.grad, expected)


@both
def test_permute_is_a_flag(kind: Kind) -> None:
    case = make_case(RAGGED, (2, 1), channels=3)
    x: Any = case.make(kind)
    y: Any = x.permute(0, 2, 3, 1)
    assert y.channels_last
    assert not x.channels_last
    same: Any
    for same in (
        y.permute((0, 3, 1, 2)),
        y.permute([0, -1, 1, 2]),
        torch.permute(y, (0, 3, 1, 2)),
        y.permute(0, 3, 1, 2).contiguous(),
        x.permute(0, 1, 2, 3),
    ):
        assert not same.channels_last
        check(same, values(case))
    assert torch.equal(y.dense(), x.dense())
    check(
        (y + random(0, 3)).permute(0, 3, 1, 2),
        (values(case) + random(0, 3).numpy()[:, None, None]) * seen(case).numpy(),
    )


@both
@pytest.mark.parametrize(
    'order', [(0, 1, 3, 2), (1, 0, 2, 3), (0, 3, 2, 1), (3, 0, 1, 2)]
)
def test_other_orders(kind: Kind, order: tuple[int, ...]) -> None:
    x: Any = make_case([[[1, 0], [0, 1]]]).make(kind)  # square: shapes tell nothing
    with pytest.raises(UnsupportedOperationError, match='permute'):
        x.permute(order)


@both
def test_types(kind: Kind) -> None:
    case = make_case(RAGGED)
    x: Any = case.make(kind)
    for single in (x.float(), x.to(torch.float32), x.type(torch.float32)):
        assert single.dtype == torch.float32
        assert single.dense().dtype == torch.float32
    assert x.half().dtype == torch.float16
    assert x.bfloat16().double().dtype == torch.float64
    assert x.to('cpu', torch.float32).cpu().dtype == torch.float32
    assert x.type_as(torch.ones(1)).dtype == torch.float32
    assert x.to(torch.ones(1)).dtype == torch.float32


@both
def test_types_of_other_maps(kind: Kind) -> None:
    x: Any = make_case(RAGGED).make(kind)
    assert x.type_as(x.float()).dtype == torch.float32
    assert x.to(x.float()).dtype == torch.float32


@both
def test_drop_path_scales_whole_samples(kind: Kind) -> None:
    case = make_case([[[1, 0]], [[1, 1]], [[0, 1]]] * 4)
    layer = DropPath(0.5)
    torch.manual_seed(3)
    out = layer(case.make(kind)).dense()
    torch.manual_seed(3)
    assert torch.equal(out, layer(case.images.nan_to_num(0.0)))
    kept = out.flatten(1).any(1)
    assert 0 < kept.sum() < 12
    x = case.make(kind)
    assert layer.eval()(x) is x


@both
def test_dropout(kind: Kind) -> None:
    case = make_case([[[1, 0, 1]], [[1, 1, 1]]], (8, 8))
    torch.manual_seed(0)
    layer = nn.Dropout(0.25)
    out = layer(case.make(kind)).dense()
    v = case.images.nan_to_num(0.0)
    kept = out != 0
    torch.testing.assert_close(out[kept], v[kept] / 0.75)
    share = kept.sum() / (seen(case).sum() * 4)
    assert 0.7 < share < 0.8
    check(layer.eval()(case.make(kind)), values(case))


def test_dropout_of_channels() -> None:
    case = make_case(RAGGED, channels=16)
    torch.manual_seed(0)
    x: Any = case.make(PatchTensor)
    out = F.dropout2d(x, 0.5).dense()  # type: ignore[attr-defined]
    v = case.images.nan_to_num(0.0)
    for b in range(2):
        for c in range(16):
            whole, zero = torch.equal(out[b, c], v[b, c] * 2), not out[b, c].any()
            assert whole or zero
    check(nn.Dropout2d(0.5).eval()(x), values(case))


def test_backends_make_their_maps() -> None:
    case = make_case(RAGGED)
    assert isinstance(PatchSparse().sparsify(case.images, case.grid), PatchTensor)
    assert isinstance(MaskedDense().sparsify(case.images, case.grid), MaskedTensor)


@both
def test_equal_masks_in_different_grids(kind: Kind) -> None:
    # Tables belong to a grid, so that maps combine only when they share it.
    case = make_case(RAGGED)
    other = PatchGrid.from_mask(~case.grid.visible, 32)
    y: Any = kind.from_dense(case.images, other)
    x: Any = case.make(kind)
    with pytest.raises(ValueError, match='different masks'):
        _ = x + y
