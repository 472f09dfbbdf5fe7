"""Patches of other sizes than the stride of the stock encoder."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor

from tests.models.common import SMALL_ARCH, randomise
from tests.sparse.networks import distance, gradients_of
from videomac.models import VideoMAC
from videomac.registry import MODELS
from videomac.sparse import PatchGrid
from videomac.utils import find_config

PREFIX = 'videomac/videomac_'
NARROW: dict[str, dict[str, Any]] = {
    'convnextv2-small-patch16_8xb64-amp': dict(arch=SMALL_ARCH),
    'convnextv2-small-patch64_8xb64-amp': dict(arch=SMALL_ARCH),
    'resnet50-patch16_8xb64': dict(base_channels=8, stem_channels=8),
}
#: Side of a latent cell in pixels, patches and visible patches of a frame.
EXPECTED = {
    'convnextv2-small-patch16_8xb64-amp': (16, 14 * 14, 49),
    'convnextv2-small-patch64_8xb64-amp': (32, 4 * 4, 4),
    'resnet50-patch16_8xb64': (16, 14 * 14, 49),
}


def load(name: str, backend: str = 'PatchSparse') -> Config:
    """Read a config and make its networks narrow."""
    cfg = Config.fromfile(find_config(f'{PREFIX}{name}-coslr-100e_ytvos.py'))
    stock = cfg.model.encoder.get('encoder', cfg.model.encoder)
    for key, value in NARROW[name].items():
        stock[key] = value
    cfg.model.decoder.dim = 16
    cfg.model.sparse.type = backend
    init_default_scope(cfg.default_scope)
    return cfg


def build(cfg: Config) -> VideoMAC:
    model: VideoMAC = MODELS.build(cfg.model)
    randomise(model)
    return model.double().train()


@pytest.mark.parametrize('name', NARROW)
def test_grids_follow_from_the_config(name: str) -> None:
    cfg = load(name)
    model = build(cfg)
    cell, patches, visible = EXPECTED[name]
    (grid,) = model.masking(1, (cfg.image_size, cfg.image_size), 1)
    assert (grid.num_patches, grid.per_sample) == (patches, visible)
    assert model.decoder.cell_size == cell
    frames = torch.randn(1, 2, 3, 128, 192, dtype=torch.float64)
    assert model(frames).shape[-2:] == (128 // cell, 192 // cell)


@pytest.mark.parametrize('name', NARROW)
def test_both_backends_compute_the_same_losses(name: str) -> None:
    results: list[tuple[list[float], Tensor]] = []
    for backend in ('PatchSparse', 'MaskedDense'):
        model = build(load(name, backend))
        torch.manual_seed(1)  # for the masks
        frames = torch.randn(2, 2, 3, 128, 192, dtype=torch.float64)
        losses = model(frames, mode='loss')
        sum(losses.values()).backward()
        gradient = torch.cat([g.flatten() for g in gradients_of(model.encoder)])
        results.append(([float(value) for value in losses.values()], gradient))
    (got, gradient), (expected, reference) = results
    assert got == pytest.approx(expected)
    assert distance(gradient, reference) < 1e-7


@pytest.mark.parametrize('name', NARROW)
def test_masked_pixels_do_not_reach_the_latent(name: str) -> None:
    model = build(load(name)).eval()
    size = model.masking.patch_size
    visible = torch.tensor([[[True, False, False], [False, True, False]]])
    grid = PatchGrid.from_mask(visible, size)
    images = torch.randn(1, 3, *grid.image_size, dtype=torch.float64)
    hidden = ~grid.cell_mask(size, size)[:, None]
    other = torch.where(hidden, torch.randn_like(images), images)
    latents = [model.sparse.encode(model.encoder, x, grid) for x in (images, other)]
    assert torch.equal(*latents)
    assert latents[0].any()


def test_checkpoints_fit_the_stock_network() -> None:
    cfg = load('resnet50-patch16_8xb64')
    model = build(cfg)
    stock = MODELS.build(cfg.model.encoder.encoder)
    stock.load_state_dict(model.encoder.state_dict(), strict=True)
    assert 'encoder.layer4.0.conv2.weight' in model.state_dict()
    assert stock.layer4[0].conv2.stride == (2, 2)
    assert model.encoder.layer4[0].conv2.stride == (1, 1)  # type: ignore[index, union-attr]
