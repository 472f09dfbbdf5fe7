"""Operations in place, against plain torch on dense maps: values, gradients, types."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.sparse.common import RAGGED, Kind, both, make_case, random
from tests.sparse.minkowski import KIND, needs_engine
from videomac.sparse import (
    MaskedTensor,
    PatchTensor,
    UnsupportedOperationError,
)
from videomac.sparse.ops.elementwise import ELEMENTWISE
from videomac.sparse.tensor_face import base_name, out_of_place

Function = Callable[..., Any]
all_kinds = pytest.mark.parametrize(
    'kind',
    [PatchTensor, MaskedTensor, pytest.param(KIND, marks=needs_engine)],
    ids=lambda k: k.__name__,
)
CASE = make_case(RAGGED, (2, 2))
SEEN = torch.from_numpy(CASE.seen)[:, None].double()
IMAGES = CASE.images.nan_to_num(0.3)
GAIN = random(7, 1, 4, 1, 1).abs() + 0.3


def names_of(home: Any, known: Any) -> list[str]:
    """Names in a place of torch that change their operand in place."""
    public = [n for n in dir(home) if n.endswith('_') and not n.startswith('_')]
    return [name for name in public if base_name(name) in known]


#: Places of functions of one value in place, and their names.
FORMS = [
    (home, name)
    for home in (Tensor, torch, F, torch._C._nn)
    for name in names_of(home, ELEMENTWISE)
]
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    'clamp': (-0.3, 0.4),
    'clip': (-0.3, 0.4),
    'clamp_min': (0.1,),
    'clamp_max': (0.1,),
    'pow': (3,),
    'threshold': (0.1, 7.0),
    'leaky_relu': (0.2,),
    'hardtanh': (-0.5, 0.7),
    'masked_fill': (torch.tensor([True, False, True, False]).view(1, 4, 1, 1), 5.0),
    'dropout': (0.5, False),
}
POSITIVE = ('log', 'log2', 'log10', 'log1p', 'sqrt', 'rsqrt', 'reciprocal')

#: Other maps that hold the same values, though torch copies them.
HOLDERS: dict[str, Function] = {
    'factor': lambda x: x * GAIN,
    'offset': lambda x: x + GAIN,
    'padded by nothing': lambda x: F.pad(x, (0, 0, 0, 0)),
    'copy of a permutation': lambda x: x.permute(0, 2, 3, 1).contiguous(),
    'copy': lambda x: x.clone(),
}
OTHERS: dict[str, Function] = {
    'resized to the same size': lambda x: F.interpolate(x, size=(4, 6)),
    'scaled by one': lambda x: nn.Upsample(scale_factor=1)(x),
    'shuffled by one': lambda x: F.pixel_shuffle(x, 1),
    'unshuffled by one': lambda x: F.pixel_unshuffle(x, 1),
    'repeated once': lambda x: x.repeat_interleave(1, 2),
    'one alone': lambda x: torch.cat([x], 1),
}


def called(home: Any, name: str) -> Function:
    """Call a function of torch in place as networks do."""
    args = ARGUMENTS.get(base_name(name), ())
    if home is Tensor:
        return lambda x: getattr(x, name)(*args)
    return lambda x: getattr(home, name)(x, *args)


def outcome(
    make: Function, holder: Function, change: Function, first: bool, values: Tensor
) -> tuple[Tensor, ...]:
    """Values of a map and of another one, one of which is changed, and the gradient."""
    images = values.detach().clone().requires_grad_(values.requires_grad)
    x = make(images)
    y = holder(x)
    change(x if first else y)
    x, y = (v if isinstance(v, Tensor) else channels_first(v).dense() for v in (x, y))
    y = y.permute(0, 3, 1, 2) if y.shape != x.shape else y
    if not values.requires_grad:
        return x, y
    total = (SEEN * (x * random(1, *x.shape) + y * random(2, *x.shape))).sum()
    total.backward()
    assert images.grad is not None
    return x.detach(), y.detach(), images.grad * SEEN


def channels_first(x: Any) -> Any:
    """Show a map channels first."""
    return x.permute(0, 3, 1, 2) if x.channels_last else x


def compare(kind: Kind, holder: Function, change: Function, values: Tensor) -> None:
    """Change one of two maps in place, each in turn, as plain torch does."""
    for first in (True, False):
        expected = outcome(lambda v: v * 1, holder, change, first, values)
        found = outcome(
            lambda v: kind.from_dense(v, CASE.grid), holder, change, first, values
        )
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other * SEEN, rtol=1e-9, atol=1e-9)


@all_kinds
@pytest.mark.parametrize(('home', 'name'), FORMS, ids=lambda v: getattr(v, '__name__', v))
def test_functions_leave_other_maps_alone(kind: Kind, home: Any, name: str) -> None:
    values = IMAGES.abs() + 0.5 if base_name(name) in POSITIVE else IMAGES
    values = values.clone().requires_grad_(name != 'logical_not_')
    for holder in HOLDERS.values():
        compare(kind, holder, called(home, name), values)


@both
@pytest.mark.parametrize('name', OTHERS)
def test_what_torch_copies_is_another_map(kind: Kind, name: str) -> None:
    def add(x: Any) -> Any:
        x += 1
        return x

    for change in (called(Tensor, 'relu_'), nn.ReLU(inplace=True), add):
        compare(kind, OTHERS[name], change, IMAGES.clone().requires_grad_())


def test_every_function_in_place_has_a_plain_form() -> None:
    known = PatchTensor.handlers.keys() | MaskedTensor.handlers.keys()
    homes = (Tensor, torch, F, torch._C._nn)
    names = {name for home in homes for name in names_of(home, known)}
    assert {'relu_', 'hardtanh_', 'dropout_', 'detach_', 'silu_', 'addcmul_'} <= names
    for name in names:
        assert out_of_place(name, names_of).__name__ == name[:-1]
    assert out_of_place('__iadd__', torch.add) is torch.add
    assert out_of_place('relu', F.relu) is F.relu


@all_kinds
@pytest.mark.parametrize('layer', [nn.Dropout(0.5), nn.Dropout2d(0.5)])
def test_dropout_in_eval_mode_is_the_map_itself(kind: Kind, layer: nn.Module) -> None:
    compare(kind, layer.eval(), called(Tensor, 'neg_'), IMAGES)
    x = CASE.make(kind)
    assert layer(x) is x


@all_kinds
def test_detach_in_place(kind: Kind) -> None:
    x: Any = kind.from_dense(IMAGES.clone().requires_grad_(), CASE.grid)
    y = x * GAIN
    held = x
    assert x.detach_() is x
    assert not held.requires_grad
    assert y.requires_grad


@all_kinds
def test_a_permutation_is_the_same_map(kind: Kind) -> None:
    x: Any = CASE.make(kind)
    y = x.permute(0, 2, 3, 1)
    with pytest.raises(UnsupportedOperationError, match='part is in use'):
        y.relu_()
    assert torch.equal(x.dense(), IMAGES * SEEN)  # the error comes before the change
    del y
    gc.collect()
    x.relu_()


@both
def test_power(kind: Kind) -> None:
    x: Any = CASE.make(kind)
    held = x
    x **= 3
    assert x is held
    torch.testing.assert_close(x.dense(), IMAGES**3 * SEEN)


ARITHMETIC: dict[str, Function] = {
    'map': lambda x: x.__iadd__(x.double() / 3),
    'mul': lambda x: x.mul_(x.double()),
    'factor': lambda x: x.__imul__(GAIN),
    'offset': lambda x: x.add_(GAIN),
    'divisor': lambda x: x.div_(GAIN),
    'addcmul': lambda x: x.addcmul_(x.double(), GAIN),
}
MORE: dict[str, Function] = {
    'whole': lambda x: x.sub_(IMAGES),
    'greater': lambda x: x.gt_(0),
    'not': lambda x: x.logical_not_(),
    'lerp': lambda x: x.lerp_(x.exp(), 0.25),
    'power': lambda x: x.abs_().pow_(GAIN),
    'rounded': lambda x: x.div_(0.3, rounding_mode='floor'),
}


@all_kinds
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize('name', [*ARITHMETIC, *MORE])
def test_the_type_stays(kind: Kind, dtype: torch.dtype, name: str) -> None:
    if kind is KIND and name in MORE:
        pytest.skip('the backend has no such operation')
    expected = IMAGES.to(dtype)
    x: Any = kind.from_dense(expected, CASE.grid)
    change = (ARITHMETIC | MORE)[name]
    assert change(x) is x
    change(expected)
    assert x.dtype == x.dense().dtype == dtype
    # Torch rounds some of them once more, or once less.
    exact = torch.finfo(dtype).eps
    expected *= SEEN.to(dtype)
    torch.testing.assert_close(x.dense(), expected, rtol=2 * exact, atol=exact)


@both
def test_types_that_torch_does_not_cast(kind: Kind) -> None:
    counts = (IMAGES * 10).long()
    x: Any = kind.from_dense(counts, CASE.grid)
    for change in (
        lambda v: v.add_(0.5),
        lambda v: v.mul_(v.float()),
        lambda v: v.exp_(),
        lambda v: v.div_(2),
    ):
        with pytest.raises(RuntimeError, match="can't be cast"):
            change(counts.clone())
        with pytest.raises(RuntimeError, match=r"_ in place: .* can't be cast to"):
            change(x)
    assert torch.equal(x.dense(), counts * SEEN.long())


@both
@pytest.mark.parametrize(
    'change',
    [
        lambda x: x.unsqueeze_(1),
        lambda x: x[:, :1].clone().squeeze_(1),
        lambda x: x[:, :1].clone().add_(GAIN),
    ],
)
def test_the_shape_stays(kind: Kind, change: Function) -> None:
    with pytest.raises(UnsupportedOperationError, match='changes the shape of a map'):
        change(CASE.make(kind))


@both
@pytest.mark.parametrize(
    'change',
    [
        lambda tensor, x: tensor.add_(x),
        lambda tensor, x: tensor.__imul__(x),
        lambda tensor, x: tensor.lerp_(x, 0.5),
    ],
)
def test_maps_are_not_written_into_tensors(kind: Kind, change: Function) -> None:
    with pytest.raises(UnsupportedOperationError, match='into an ordinary tensor'):
        change(torch.zeros_like(IMAGES), CASE.make(kind))


@all_kinds
@pytest.mark.parametrize('shape', [(4, 1, 1), (2, 4, 1, 1), (1, 4, 1, 1)])
@pytest.mark.parametrize('name', ['mul', 'add'])
def test_factors_count_as_they_were(
    kind: Kind, name: str, shape: tuple[int, ...]
) -> None:
    def result(x: Any) -> Any:
        given = random(3, *shape)
        out = getattr(x, name)(given)
        given.zero_()
        return out

    found, expected = result(CASE.make(kind)), result(IMAGES) * SEEN
    torch.testing.assert_close(found.dense(), expected)


@all_kinds
def test_parameters_count_as_they_were(kind: Kind) -> None:
    def result(x: Any) -> Any:
        scale, shift = (nn.Parameter(random(s, 4, 1, 1)) for s in (3, 4))
        out = x * scale + shift
        for parameter in (scale, shift):
            parameter.grad = torch.ones_like(parameter)
        torch.optim.SGD([scale, shift], lr=1.0).step()
        return out

    found, expected = result(CASE.make(kind)), result(IMAGES) * SEEN
    torch.testing.assert_close(found.dense(), expected)
