"""Exports load in the installed libraries; import, export, import is bit-equal."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from mmpretrain.models import ConvNeXt, ImageClassifier
from torch import Tensor

from tests.checkpoints import layouts
from tests.checkpoints.test_import import CONVNEXTS, SIZE, VITS, WRAPPED, encoder
from tests.models.test_released import (
    released_convnext,
    released_isotropic,
    released_resnet,
)
from videomac.checkpoints import (
    FORMATS,
    TARGETS,
    encoder_config,
    export_state,
    import_state,
    to_bytes,
)

timm = pytest.importorskip('timm')
State = dict[str, Tensor]


def randomise(network: Any) -> None:
    """Give every parameter and statistic a value of its own."""
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                value.copy_(0.1 * torch.rand_like(value))
                if name.endswith(('norm.weight', 'bn1.weight', 'running_var')):
                    value.add_(1)


TIMM = {
    # A V1 and a V2 with linear layers as 1x1 convolutions, and with linear layers.
    'convnext_atto': {},
    'convnextv2_atto': {},
    'convnext_tiny': dict(depths=(1, 1, 1, 1)),
    'convnextv2_tiny': dict(depths=(1, 1, 2, 1)),
    'resnet18': {},
    'resnet50': {},
}


@pytest.mark.parametrize('name', TIMM)
def test_timm_loads_strictly_and_has_equal_features(name: str) -> None:
    """Of an encoder of ours with random weights, exported to timm."""
    network = timm.create_model(name, num_classes=0, **TIMM[name]).double().eval()
    # timm only lends the shapes here; the weights are ours.
    shapes, _ = import_state(network.state_dict(), 'timm')
    ours = encoder(shapes.state)
    randomise(ours)
    state = ours.state_dict()
    exported = export_state(state, 'timm')
    network.load_state_dict(exported.state, strict=True)
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    expected = network.forward_features(images)
    (got,) = ours(images)
    if name.startswith('convnext'):
        # Ours ends with the norm that timm keeps in its head.
        expected = network.head.norm(expected)
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


def test_timm_vit_loads_strictly_and_has_equal_features() -> None:
    arch = dict(embed_dim=16, depth=2, num_heads=2, img_size=32, patch_size=8)
    network = timm.models.VisionTransformer(num_classes=0, **arch).double().eval()
    shapes, _ = import_state(network.state_dict(), 'timm')
    ours = encoder(shapes.state)
    randomise(ours)
    network.load_state_dict(export_state(ours.state_dict(), 'timm').state, strict=True)
    images = torch.randn(1, 3, 32, 32, dtype=torch.float64)
    expected = network.forward_features(images)[:, 1:].transpose(1, 2)
    (got,) = ours(images)
    torch.testing.assert_close(got.flatten(2), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize('depth', [18, 50])
def test_torchvision_loads_and_has_equal_features(depth: int) -> None:
    network = getattr(torchvision.models, f'resnet{depth}')().double().eval()
    shapes, _ = import_state(network.state_dict(), 'torchvision')
    ours = encoder(shapes.state)
    randomise(ours)
    exported = export_state(ours.state_dict(), 'torchvision').state
    network.fc = torch.nn.Identity()
    network.load_state_dict(exported, strict=True)
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    (got,) = ours(images)
    torch.testing.assert_close(got.mean((2, 3)), network(images), rtol=1e-9, atol=1e-9)


SOURCES: dict[str, Any] = {name: make for name, (make, _) in (CONVNEXTS | VITS).items()}
SOURCES |= {
    'resnet18': lambda: dict(torchvision.models.resnet18().state_dict()),
    'released V1': lambda: released_convnext(False).state,
    'released V2': lambda: released_convnext(True).state,
    'released isotropic': lambda: released_isotropic().state,
    'released resnet18': lambda: released_resnet(18).state,
    'released resnet50': lambda: released_resnet(50).state,
    'mmpretrain': lambda: {
        f'backbone.{name}': value for name, value in ours(use_grn=False).items()
    },
    'videomac': lambda: {
        'decoder.mask_token': torch.zeros(1),
        **{f'encoder.{name}': value for name, value in ours(use_grn=True).items()},
    },
    'encoder': lambda: ours(use_grn=True),
}
SOURCES |= {
    f'resnet18 of {name}': lambda wrap=wrap: wrap(
        torchvision.models.resnet18().state_dict()
    )
    for name, wrap in WRAPPED.items()
}


def ours(use_grn: bool) -> State:
    """A ConvNeXt as mmpretrain makes it."""
    torch.manual_seed(0)
    network = ConvNeXt(
        dict(depths=layouts.DEPTHS, channels=layouts.WIDTHS),
        use_grn=use_grn,
        layer_scale_init_value=0.0 if use_grn else 1e-6,
        gap_before_final_norm=False,
    )
    randomise(network)
    return dict(network.state_dict())


def has_place(case: str, target: str) -> bool:
    """Whether the library of the target has a network like that of the source."""
    if target in ('encoder', 'backbone'):
        return True
    if case in CONVNEXTS or case in ('mmpretrain', 'videomac', 'encoder'):
        return target in ('timm', 'convnext')
    if case in VITS:
        return target == 'timm'
    return case.startswith('resnet') and target in ('timm', 'torchvision')


@pytest.mark.parametrize('target', TARGETS)
@pytest.mark.parametrize('case', SOURCES)
def test_round_trip(case: str, target: str) -> None:
    first, _ = import_state(SOURCES[case](), image_size=SIZE)
    if not has_place(case, target):
        with pytest.raises(ValueError, match=f"'{target}' has no place for a "):
            export_state(first.state, target)
        return
    exported = export_state(first.state, target)
    assert len(exported.state) == len(first.state)
    # timm names networks without class token as those with one.
    second, _ = import_state(exported.state, image_size=SIZE)
    assert second.state.keys() == first.state.keys()
    for key, value in first.state.items():
        assert second.state[key].dtype == value.dtype
        assert torch.equal(second.state[key], value), key


def test_the_round_trips_begin_with_every_format() -> None:
    begun = {import_state(make(), image_size=SIZE)[1].name for make in SOURCES.values()}
    assert begun == {each.name for each in FORMATS}


@pytest.mark.parametrize('second', TARGETS)
@pytest.mark.parametrize('first', TARGETS)
def test_any_pair_of_layouts_in_turn(first: str, second: str) -> None:
    """Out to one, in, out to the other, in: the same bits, for every kind of network."""
    cases = ('convnext V1', 'convnext V2', 'resnet18', 'vit MAE', 'released V2')
    tried = [c for c in cases if has_place(c, first) and has_place(c, second)]
    for case in tried:
        start = import_state(SOURCES[case](), image_size=SIZE)[0].state
        state = start
        for target in (first, second):
            data = to_bytes({'state_dict': export_state(state, target).state})
            content = torch.load(io.BytesIO(data), weights_only=True)
            state = import_state(content['state_dict'], image_size=SIZE)[0].state
        assert state.keys() == start.keys()
        assert all(torch.equal(state[name], value) for name, value in start.items()), case
    # No network has a place in both of these.
    apart = {first, second} == {'convnext', 'torchvision'}
    assert bool(tried) != apart


@settings(max_examples=10, deadline=None)
@given(
    depths=st.lists(st.integers(1, 3), min_size=4, max_size=4),
    channels=st.lists(st.integers(1, 6), min_size=4, max_size=4),
    use_grn=st.booleans(),
)
def test_any_convnext_returns(
    depths: list[int], channels: list[int], use_grn: bool
) -> None:
    """Through every layout, with its config told from the shapes."""
    arch = dict(depths=depths, channels=channels)
    scale = 0.0 if use_grn else 1e-6
    config = dict(arch=arch, use_grn=use_grn, layer_scale_init_value=scale)
    state = ConvNeXt(**config, gap_before_final_norm=False).state_dict()
    for target in ('encoder', 'backbone', 'timm', 'convnext'):
        again, _ = import_state(export_state(state, target).state)
        assert again.state.keys() == state.keys()
        assert all(torch.equal(again.state[name], state[name]) for name in state)
        told = encoder_config(again.state)
        assert told is not None
        assert {name: told[name] for name in config} == config


def test_mmpretrain_classifier_takes_the_backbone() -> None:
    """The keys are those of the backbone inside mmpretrain's classifier."""
    first, _ = import_state(layouts.convnext(layouts.FACEBOOK, True))
    arch = dict(depths=layouts.DEPTHS, channels=layouts.WIDTHS)
    model = ImageClassifier(
        backbone=dict(
            type='mmpretrain.ConvNeXt',
            arch=arch,
            use_grn=True,
            layer_scale_init_value=0.0,
        )
    )
    model.load_state_dict(export_state(first.state, 'backbone').state, strict=True)


def test_unknown_target() -> None:
    with pytest.raises(ValueError, match="no target 'tf'; there are encoder, backbone"):
        export_state({}, 'tf')


def test_unknown_tensor_is_not_lost() -> None:
    first, _ = import_state(layouts.convnext(layouts.FACEBOOK, True))
    state = first.state | {'surplus': torch.zeros(1)}
    with pytest.raises(ValueError, match=r'1 tensors .* surplus \[1\]'):
        export_state(state, 'timm')
