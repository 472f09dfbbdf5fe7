"""Every shipped pre-training config builds, runs and has the size of its paper row."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from tests.models.test_released import CASES
from videomac.models import VideoMAC
from videomac.registry import HOOKS, MODELS
from videomac.utils.paths import configs_root

ROOT = configs_root() / 'videomac'
CONFIGS = sorted(ROOT.glob('*.py'))

#: Millions of parameters in Table 2, which counts a classifier of 1,000 classes.
TABLE_2 = {
    'resnet18': 12,
    'resnet50': 26,
    'convnextv2-tiny': 29,
    'convnextv2-small': 50,
}


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_config_builds_and_computes_losses(path: Path) -> None:
    cfg = Config.fromfile(path)
    init_default_scope(cfg.default_scope)
    model: VideoMAC = MODELS.build(cfg.model)
    frames = cfg.train_dataloader.dataset.get('num_frames', 2)
    size = 2 * cfg.model.masking.patch_size
    losses = model(torch.randn(2, frames, 3, size, size), mode='loss')
    names = ['loss_online', 'loss_target', 'loss_consistency']
    assert list(losses) == names[: 1 if cfg.model.get('target') is None else 3]
    assert all(torch.isfinite(value) for value in losses.values())
    for hook in cfg.custom_hooks:
        HOOKS.build(hook)
    batch = 8 * cfg.train_dataloader.batch_size
    if '_8xb' in path.stem:
        assert f'_8xb{cfg.train_dataloader.batch_size}-' in path.name
        assert cfg.auto_scale_lr.base_batch_size == batch
        assert cfg.optim_wrapper.optimizer.lr == pytest.approx(1e-3 * batch / 256)
        assert ('-amp-' in path.name) == (cfg.optim_wrapper.type == 'AmpOptimWrapper')


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_patches_divide_the_frames(path: Path) -> None:
    cfg = Config.fromfile(path)
    crop = cfg.train_dataloader.dataset.pipeline[0]
    assert crop.type == 'FramesRandomResizedCrop'
    assert crop.size == cfg.image_size
    assert crop.size % cfg.model.masking.patch_size == 0


def test_configs_inherit_at_most_two_levels_deep() -> None:
    for path in configs_root().rglob('_base_/**/*.py'):
        assert '_base_ =' not in path.read_text(), (
            f'{path} inherits, so a child is deeper'
        )


@pytest.mark.parametrize(('name', 'millions'), TABLE_2.items())
def test_parameters_are_those_of_table_2(name: str, millions: int) -> None:
    (path,) = ROOT.glob(f'videomac_{name}_*_ytvos.py')
    cfg = Config.fromfile(path)
    init_default_scope(cfg.default_scope)
    encoder = MODELS.build(cfg.model.encoder)
    width = MODELS.build(cfg.model).decoder.proj.in_channels
    count = sum(p.numel() for p in encoder.parameters()) + 1001 * width
    # The table rounds to millions, ResNet-18's 11.7 and ConvNeXt V2-T's 28.6 included.
    assert abs(count / 1e6 - millions) <= 0.5


def test_the_isotropic_encoder_has_22_million_parameters() -> None:
    (path,) = ROOT.glob('videomac_isotropic-*.py')
    init_default_scope('videomac')
    encoder = MODELS.build(Config.fromfile(path).model.encoder)
    assert sum(p.numel() for p in encoder.parameters()) / 1e6 == pytest.approx(
        22, rel=0.01
    )


@pytest.mark.parametrize('case', CASES)
def test_released_configs_are_the_networks_that_are_compared(case: str) -> None:
    """But for their sizes, with those of the description in test_released."""
    network = case.replace('convnextv1', 'convnext')
    paths = list(ROOT.glob(f'videomac_released-{network}[-_]*'))
    assert paths
    _, expected, patch, _ = CASES[case]
    sizes = ('arch', 'depth', 'dim', 'stem_patch_size')
    for path in paths:
        model = Config.fromfile(path).model
        found, known = (
            {name: value for name, value in encoder.items() if name not in sizes}
            for encoder in (model.encoder, expected)
        )
        assert found == known
        assert model.masking.patch_size == patch
