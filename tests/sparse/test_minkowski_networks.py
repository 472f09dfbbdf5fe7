"""Whole encoders on the backend Minkowski against the dense reference."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from mmpretrain.models import ConvNeXt, ResNet, TIMMBackbone
from torch import nn

from tests.models.common import build as build_model
from tests.sparse.minkowski import needs_engine
from tests.sparse.networks import (
    BATCH_NORM,
    NETWORKS,
    build,
    distance,
    gradients_of,
    images,
    ragged,
    randomise,
)
from tests.sparse.test_networks import assert_near, train_step
from videomac.registry import MODELS
from videomac.sparse import MaskedDense, MaskedTensor, Minkowski, PatchGrid

pytestmark = needs_engine
TIMM: dict[str, Any] = dict(features_only=True, pretrained=False)
#: Those that `NETWORKS` holds only in small.
STOCK: dict[str, Callable[[], nn.Module]] = {
    'timm_resnet18': functools.partial(TIMMBackbone, 'resnet18', **TIMM),
    'timm_convnextv2': functools.partial(TIMMBackbone, 'convnextv2_atto', **TIMM),
    'resnetv1d': functools.partial(
        ResNet, 18, base_channels=16, stem_channels=16, deep_stem=True, avg_down=True
    ),
    'resnext': functools.partial(TIMMBackbone, 'resnext50_32x4d', **TIMM),
}
every = pytest.mark.parametrize('name', NETWORKS)


@every
def test_is_the_masked_dense_network(name: str) -> None:
    grid, batch = ragged(), images()
    network, other = build(name), build(name)
    latent, grads = train_step(network, Minkowski(), batch, grid)
    expected, expected_grads = train_step(other, MaskedDense(), batch, grid)
    assert distance(latent, expected) < 1e-9
    assert_near(grads, expected_grads, 1e-9)
    for mine, theirs in zip(network.buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-9)
    masked = ~grid.cell_mask(latent.shape[2] // 3, latent.shape[3] // 2)
    assert not latent.permute(0, 2, 3, 1)[masked].any()


@pytest.mark.parametrize('name', STOCK)
def test_other_stock_networks(name: str) -> None:
    if 'convnextv2' in name and 'addcmul' not in MaskedTensor.handlers:
        pytest.skip('MaskedDense does not know addcmul, which this network uses')
    network = randomise(STOCK[name]()).double()
    network.train()
    other = copy.deepcopy(network)
    latent, grads = train_step(network, Minkowski(), images(), ragged())
    expected, expected_grads = train_step(other, MaskedDense(), images(), ragged())
    assert distance(latent, expected) < 1e-9
    assert_near(grads, expected_grads, 1e-9)


@pytest.mark.parametrize('name', STOCK)
def test_all_visible_is_the_dense_network(name: str) -> None:
    network = randomise(STOCK[name]()).double()
    network.eval()
    grid = PatchGrid.full(2, (96, 64), 32)
    with torch.no_grad():
        latent = Minkowski().encode(network, images(), grid)
        assert distance(latent, network(images())[-1]) < 1e-9


@pytest.mark.parametrize('name', [n for n in NETWORKS if n not in BATCH_NORM])
def test_single_precision(name: str) -> None:
    grid, batch = ragged(), images(torch.float32)
    latent, grads = train_step(build(name, torch.float32), Minkowski(), batch, grid)
    other = build(name, torch.float32)
    expected, expected_grads = train_step(other, MaskedDense(), batch, grid)
    assert distance(latent, expected) < 1e-4
    norm = torch.cat([g.flatten() for g in expected_grads]).norm()
    for a, b in zip(grads, expected_grads, strict=True):
        assert float((a - b).norm()) < 1e-4 * float(b.norm()) + 1e-6 * float(norm)


@pytest.mark.parametrize('name', ['convnext_v1', 'convnext_v2', 'resnet18', 'resnet50'])
def test_masked_pixels_do_not_leak(name: str) -> None:
    grid, batch = ragged(), images(torch.float32)
    network = build(name, torch.float32, training=False)
    masked = ~grid.cell_mask(32, 32)[:, None]
    with torch.no_grad():
        latents = [
            Minkowski().encode(network, batch.masked_fill(masked, value), grid)
            for value in (0.0, 1e4, float('nan'))
        ]
    assert latents[0].isfinite().all()
    assert all(torch.equal(latent, latents[0]) for latent in latents[1:])


@pytest.mark.parametrize('name', ['convnext_v2', 'resnet18', 'resnet50'])
def test_under_autocast(name: str) -> None:
    grid, batch = ragged(), images(torch.float32)
    network = build(name, torch.float32, training=False)
    with torch.no_grad():
        expected = Minkowski().encode(network, batch, grid)
    with torch.autocast('cpu', torch.bfloat16):
        latent = Minkowski().encode(network, batch, grid)
    latent.float().square().sum().backward()
    assert (latent.float() - expected).norm() < 0.05 * expected.norm()
    assert all(g.dtype == torch.float32 for g in gradients_of(network))


@pytest.mark.parametrize('name', ['convnext_v2', 'resnet18'])
def test_two_masks_in_flight_with_checkpointing(name: str) -> None:
    pairs = [(images(seed=i), ragged(seed=i)) for i in (1, 2)]
    network = build(name, with_cp=True)
    latents = [Minkowski().encode(network, *pair) for pair in pairs]
    (latents[0].sin().sum() + latents[1].cos().sum()).backward()
    other = build(name)
    expected = [MaskedDense().encode(other, *pair) for pair in pairs]
    (expected[0].sin().sum() + expected[1].cos().sum()).backward()
    for mine, theirs in zip(latents, expected, strict=True):
        assert distance(mine.detach(), theirs.detach()) < 1e-9
    assert_near(gradients_of(network), gradients_of(other), 1e-9)


def test_one_visible_patch() -> None:
    visible = torch.zeros(2, 3, 2, dtype=torch.bool)
    visible[0, 2, 1] = True
    grid = PatchGrid.from_mask(visible, 32)
    network = build('convnext_v1')
    with torch.no_grad():
        latent = Minkowski().encode(network, images(), grid)
        expected = MaskedDense().encode(network, images(), grid)
    assert distance(latent, expected) < 1e-9
    with pytest.raises(ValueError, match='patch_size'):
        Minkowski().encode(network, images(), ragged(16))


def test_the_algorithm_runs_on_it() -> None:
    losses = []
    for backend in ('Minkowski', 'MaskedDense'):
        torch.manual_seed(0)
        model = build_model(sparse=dict(type=backend)).double().train()
        frames = torch.randn(2, 2, 3, 96, 64, dtype=torch.float64)
        torch.manual_seed(1)
        losses.append(model(frames, mode='loss'))
    assert losses[0].keys() == losses[1].keys()
    for name, value in losses[0].items():
        torch.testing.assert_close(value, losses[1][name], rtol=1e-5, atol=1e-5)


def test_threads_stay_as_they_are() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(before + 2)
    Minkowski().sparsify(images(), ragged())
    found = torch.get_num_threads()
    torch.set_num_threads(before)
    assert found == before + 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ('name', 'make'),
    [
        ('convnext tiny', lambda: ConvNeXt('tiny', gap_before_final_norm=False)),
        (
            'convnext v2 small',
            lambda: ConvNeXt(
                'small',
                gap_before_final_norm=False,
                use_grn=True,
                layer_scale_init_value=0.0,
            ),
        ),
        ('resnet50', lambda: ResNet(50)),
        ('ReleasedResNet', lambda: MODELS.build(dict(type='ReleasedResNet', depth=50))),
    ],
)
def test_full_size(name: str, make: Callable[[], nn.Module]) -> None:
    network = randomise(make()).double()
    network.train()
    other = copy.deepcopy(network)
    latent, grads = train_step(network, Minkowski(), images(), ragged())
    expected, expected_grads = train_step(other, MaskedDense(), images(), ragged())
    assert distance(latent, expected) < 1e-9
    assert_near(grads, expected_grads, 1e-8)


@pytest.mark.parametrize('groups', [1, 4, 8])
def test_kernel_for_other_channels(groups: int) -> None:
    network = nn.Conv2d(8, 16, 3, padding=1, groups=groups)
    with pytest.raises(RuntimeError, match='to have 8 channels, but got 3 channels'):
        Minkowski().encode(network, images().float(), ragged())
