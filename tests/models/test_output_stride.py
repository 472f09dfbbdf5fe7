"""Other output strides: the native map on the native grid, and networks of others."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.registry import init_default_scope
from mmpretrain.models import ConvNeXt, HRNet, ResNet, ResNetV1d
from torch import Tensor, nn

from tests.sparse.networks import V1, V2, distance, ragged, randomise
from videomac.models.encoders import set_output_stride
from videomac.models.encoders.dilated_pool import DilatedAvgPool2d
from videomac.registry import MODELS
from videomac.sparse import MaskedDense, PatchGrid, PatchSparse

SLIM: dict[str, Any] = dict(base_channels=16, stem_channels=16)
STOCK: dict[str, Callable[[], nn.Module]] = {
    'ResNet-18': lambda: ResNet(18, **SLIM),
    'ResNet-50': lambda: ResNet(50, **SLIM),
    'ResNetV1d-50': lambda: ResNetV1d(depth=50, **SLIM),  # average-pooled shortcuts
    'ConvNeXt V1': lambda: ConvNeXt(**V1),
}
TIMM = ('resnet18', 'resnet50d', 'convnext_atto', 'regnetx_002', 'mobilenetv2_100')


def prepared(network: nn.Module) -> nn.Module:
    """Give a network parameters that matter, in eval mode and float64."""
    randomise(network).double()
    network.eval()
    return network


def timm_network(name: str, **options: Any) -> nn.Module:
    timm = pytest.importorskip('timm')
    network: nn.Module = timm.create_model(
        name, features_only=True, out_indices=(-1,), **options
    )
    return prepared(network)


@torch.no_grad()
def features(network: nn.Module, images: Tensor) -> Tensor:
    out: Any = network(images)
    return out if isinstance(out, Tensor) else out[-1]


def check_native_grid(network: nn.Module, stride: int, native: int = 32) -> None:
    """The new map, thinned out, is the native map; parameters are untouched."""
    images = torch.randn(1, 3, 96, 128, dtype=torch.float64)
    expected = features(network, images)
    changed = copy.deepcopy(network)
    set_output_stride(changed, stride)
    got = features(changed, images)
    assert got.shape[-2:] == (96 // stride, 128 // stride)
    step = native // stride
    assert distance(got[:, :, ::step, ::step], expected) < 1e-12
    assert not torch.equal(got[:, :, step // 2 :: step], got[:, :, ::step])
    states = network.state_dict(), changed.state_dict()
    assert list(states[0]) == list(states[1])
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])


@pytest.mark.parametrize('stride', [16, 8, 4])
@pytest.mark.parametrize('name', STOCK)
def test_native_grid_of_mmpretrain(name: str, stride: int) -> None:
    check_native_grid(prepared(STOCK[name]()), stride)


@pytest.mark.parametrize('stride', [16, 8])
@pytest.mark.parametrize('name', TIMM)
def test_native_grid_of_timm(name: str, stride: int) -> None:
    check_native_grid(timm_network(name), stride)


@pytest.mark.parametrize(('stride', 'replaced'), [(16, [0, 0, 1]), (8, [0, 1, 1])])
def test_torchvision_resnet50(stride: int, replaced: list[int]) -> None:
    """At every cell the map of torchvision's own dilated network, classifier included."""
    from torchvision.models import resnet50

    options: dict[str, Any] = dict(width_per_group=4, num_classes=7)
    plain = prepared(resnet50(**options))
    dilated = prepared(
        resnet50(replace_stride_with_dilation=[bool(r) for r in replaced], **options)
    )
    set_output_stride(plain, stride)
    images = torch.randn(2, 3, 96, 64, dtype=torch.float64)
    assert distance(features(plain, images), features(dilated, images)) < 1e-12


def test_timm_convnext() -> None:
    """At every cell the map of timm's own network with output stride 16."""
    plain = timm_network('convnextv2_atto')
    dilated = timm_network('convnextv2_atto', output_stride=16)
    set_output_stride(plain, 16)
    images = torch.randn(2, 3, 96, 64, dtype=torch.float64)
    assert distance(features(plain, images), features(dilated, images)) < 1e-12


def test_strides_alone() -> None:
    """Without dilation, stride 1 in the last two stages and nothing else."""
    plain, expected = (prepared(ResNet(18, **SLIM)) for _ in range(2))
    set_output_stride(plain, 8, dilate=False)
    for stage in ('layer3', 'layer4'):
        block: Any = getattr(expected, stage)[0]
        block.conv1.stride = block.downsample[0].stride = (1, 1)
    images = torch.randn(1, 3, 64, 96, dtype=torch.float64)
    assert torch.equal(features(plain, images), features(expected, images))
    dilations = {m.dilation for m in plain.modules() if isinstance(m, nn.Conv2d)}
    assert dilations == {(1, 1)}


@st.composite
def layers(draw: st.DrawFn) -> nn.Module:
    """A layer that divides its map by its stride."""
    stride = draw(st.sampled_from([1, 2, 2, 4]))
    dilation = draw(st.sampled_from([1, 2])) if stride < 4 else 1
    extra = draw(st.sampled_from([0, 1, 2]))  # cells of padding on each side
    odd = stride % 2  # what the kernel needs so that sizes are right
    kernel = (1 if odd else 2) + 2 * extra
    if stride == 4:
        kernel, extra, dilation = (4, 0, 1) if draw(st.booleans()) else (5, 2, 1)
    elif dilation == 2:
        kernel, extra = 3, 2
    kind = draw(st.sampled_from(['conv', 'max', 'avg']))
    if kind == 'conv':
        return nn.Conv2d(3, 3, kernel, stride, extra, dilation)
    extra = min(extra, kernel // 2) if dilation == 1 else extra
    if kind == 'max' and dilation == 1:
        return nn.MaxPool2d(kernel, stride, extra)
    if kind == 'avg' and dilation == 1:
        counted = draw(st.booleans())
        return nn.AvgPool2d(kernel, stride, extra, count_include_pad=counted)
    return nn.Conv2d(3, 3, 1, stride)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(layers(), min_size=2, max_size=5), st.integers(0, 4))
def test_native_grid_of_random_networks(chain: list[nn.Module], keep: int) -> None:
    """Strided and dilated convolutions and poolings, odd and even, in any order."""
    network = prepared(nn.Sequential(nn.Conv2d(3, 3, 1), *chain))
    steps, native = [1], 1
    for layer in chain:
        native *= int(torch.as_tensor(layer.stride).max())
        steps.append(native)
    stride = steps[min(keep, len(chain))]
    if native > 64:
        return
    images = torch.randn(1, 3, 2 * native, 3 * native, dtype=torch.float64)
    expected = features(network, images)
    stepwise = copy.deepcopy(network)
    set_output_stride(network, stride)
    got = features(network, images)
    assert got.shape[-2:] == (2 * native // stride, 3 * native // stride)
    step = native // stride
    assert distance(got[:, :, ::step, ::step], expected) < 1e-12
    for each in reversed(steps[steps.index(stride) :]):
        set_output_stride(stepwise, each)
    assert distance(features(stepwise, images), got) < 1e-12


@pytest.mark.parametrize('counted', [False, True])
def test_dilated_average_cell_by_cell(counted: bool) -> None:
    x = torch.randn(1, 2, 6, 5, dtype=torch.float64)
    kernel, lead, dilation = (2, 3), (0, 1), (2, 1)
    got = DilatedAvgPool2d(kernel, lead, dilation, counted).double()(x)
    for i in range(6):
        for j in range(5):
            cells = [(i + 2 * (a - 0), j + (b - 1)) for a in range(2) for b in range(3)]
            seen = [x[0, :, r, c] for r, c in cells if 0 <= r < 6 and 0 <= c < 5]
            total = torch.stack(seen).sum(0)
            expected = total / (6 if counted else len(seen))
            assert torch.allclose(got[0, :, i, j], expected, atol=1e-12)


@pytest.mark.parametrize(('stride', 'patch_size'), [(16, 16), (8, 8), (8, 16)])
@pytest.mark.parametrize('name', [*STOCK, 'ConvNeXt V2'])
def test_sparse_backends_agree(name: str, stride: int, patch_size: int) -> None:
    """Outputs and gradients, with patches of one cell and of several."""
    network = randomise(ConvNeXt(**V2) if name == 'ConvNeXt V2' else STOCK[name]())
    network.double().train()
    set_output_stride(network, stride)
    torch.manual_seed(0)
    images, grid = torch.randn(2, 3, 96, 64, dtype=torch.float64), ragged(patch_size)
    weight = torch.randn(2, 1, 96 // stride, 64 // stride, dtype=torch.float64)
    results = []
    for backend in (PatchSparse(), MaskedDense()):
        network.zero_grad()
        latent = backend.encode(network, images, grid)
        (latent * weight).sum().backward()
        grads = [p.grad for p in network.parameters() if p.grad is not None]
        results.append((latent.detach(), torch.cat([g.flatten() for g in grads])))
    for got, expected in zip(*results, strict=True):
        assert distance(got, expected) < 1e-9
    latent, cells = results[0][0], patch_size // stride
    assert not latent[~grid.cell_mask(cells, cells)[:, None].expand_as(latent)].any()
    network.eval()
    everything = PatchGrid.full(2, (96, 64), patch_size)
    with torch.no_grad():
        latent = PatchSparse().encode(network, images, everything)
    assert distance(latent, features(network, images)) < 1e-12


def test_config_builds_the_stock_network() -> None:
    """Checkpoints go to and from the network as it is without the option."""
    init_default_scope('videomac')
    encoder = dict(type='mmpretrain.ConvNeXt', **V2)
    changed = MODELS.build(dict(type='OutputStride', encoder=encoder, stride=16))
    assert type(changed) is ConvNeXt
    stock = MODELS.build(encoder)
    stock.load_state_dict(changed.state_dict(), strict=True)
    assert next(iter(stock.state_dict())) == 'downsample_layers.0.0.weight'


def test_copies_and_pickles_compute_the_same() -> None:
    """The target network is a copy; unequal padding is part of it."""
    network = prepared(ConvNeXt(**V1))
    set_output_stride(network, 8)
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    expected = features(network, images)
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(features(other, images), expected)


def test_the_native_stride_changes_nothing() -> None:
    network = prepared(ResNet(18, **SLIM))
    before = repr(network)
    set_output_stride(network, 32)
    assert repr(network) == before


class Unusual(nn.Module):
    """A stem and one more layer."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 4, 4)
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.stem(x))


class Subsample(nn.Module):
    """Shrinks without a kernel."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, ::2, ::2]


class Conv2dSame(nn.Conv2d):
    """Named as in timm."""


def twice() -> nn.Module:
    conv = nn.Conv2d(4, 4, 3, 2, 1)
    return Unusual(nn.Sequential(conv, conv))


@pytest.mark.parametrize(
    ('network', 'stride', 'message'),
    [
        (lambda: ResNet(18, **SLIM), 0, 'positive int, got 0'),
        (lambda: ResNet(18, **SLIM), 64, r'cannot .* 64: it has 32, .* 2, 4, 8, 16\]'),
        (lambda: ResNet(18, **SLIM), 12, 'cannot have the output stride 12'),
        (lambda: ConvNeXt(**V1), 2, r'cannot .* 2: it has 32, .* \[1, 4, 8, 16\]'),
        (lambda: HRNet('w18'), 8, 'HRNet does not run at the output stride 8'),
        (
            lambda: Unusual(nn.Conv2d(4, 4, 3, 2)),
            4,
            "'layer' .Conv2d. turns 64 into 31 cells",
        ),
        (
            lambda: Unusual(nn.Sequential(Subsample(), nn.Conv2d(4, 4, 2, 2))),
            4,
            r"'layer.0' \(Subsample\) shrinks the map",
        ),
        (
            lambda: Unusual(nn.Conv2d(4, 4, 3, 2, 1, padding_mode='reflect')),
            4,
            "padding_mode is 'reflect'",
        ),
        (lambda: Unusual(Conv2dSame(4, 4, 3, 2, 1)), 4, 'depends on the size of the map'),
        (lambda: Unusual(nn.LPPool2d(2, 2)), 4, r'LPPool2d\) cannot be changed: only'),
        (twice, 4, r"'layer.0' \(Conv2d\) is used at several strides"),
    ],
)
def test_what_cannot_be_changed_is_named(
    network: Callable[[], nn.Module], stride: int, message: str
) -> None:
    built = network()
    before = repr(built)
    with pytest.raises(ValueError, match=message):
        set_output_stride(built, stride)
    assert repr(built) == before


@pytest.mark.parametrize('name', STOCK)
def test_steps_add_up(name: str) -> None:
    """Stride after stride gives the map of the last stride at once, at every cell."""
    stepwise, direct = (prepared(STOCK[name]()) for _ in range(2))
    images = torch.randn(1, 3, 96, 64, dtype=torch.float64)
    for stride in (16, 8, 8, 4):
        set_output_stride(stepwise, stride)
    set_output_stride(direct, 4)
    assert distance(features(stepwise, images), features(direct, images)) < 1e-12
    with pytest.raises(ValueError, match='cannot have the output stride 8: it has 4'):
        set_output_stride(stepwise, 8)
