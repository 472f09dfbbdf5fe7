"""Layers of networks against statements by hand, and the learning rates they get."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from torch import nn

from tests.models.common import SMALL_ARCH
from videomac.engine.layer_depth import layer_depths
from videomac.registry import MODELS
from videomac.utils.paths import configs_root

pytestmark = pytest.mark.usefixtures('quiet_scope')
PRETRAINING = sorted((configs_root() / 'videomac').glob('videomac_*_ytvos.py'))


def by_hand(name: str, depths: list[int]) -> int:
    """The layer of a parameter of one of our encoders when every block is a layer."""
    first = name.split('.')[0]
    last = sum(depths) + 1
    if first.startswith('layer'):  # ResNet: layer1 to layer4
        stage, block = int(first[5:]) - 1, int(name.split('.')[1])
        return sum(depths[:stage]) + block + 1
    if first == 'stages':
        stage, block = int(name.split('.')[1]), int(name.split('.')[2])
        return sum(depths[:stage]) + block + 1
    if first == 'downsample_layers':  # with the first block of its stage
        return sum(depths[: int(name.split('.')[1])]) + 1
    if first.startswith('norm'):  # between stages, or after the last
        after = int(first[4:]) + 1
        return sum(depths[:after]) + 1 if after < len(depths) else last
    assert first in ('conv1', 'bn1', 'stem'), name
    return 1


def stages_of(cfg: dict[str, Any]) -> list[int]:
    """Blocks by stage, from the papers of the networks."""
    if cfg['type'] == 'OutputStride':
        return stages_of(cfg['encoder'])
    if cfg['type'] == 'IsotropicConvNeXt':
        return [18]
    if 'ResNet' in cfg['type']:
        return {18: [2, 2, 2, 2], 50: [3, 4, 6, 3]}[cfg['depth']]
    return {'tiny': [3, 3, 9, 3]}.get(cfg['arch'], [3, 3, 27, 3])


@pytest.mark.parametrize('path', PRETRAINING, ids=lambda path: path.stem.split('_8x')[0])
def test_every_encoder_against_a_statement_by_hand(path: Path) -> None:
    cfg = Config.fromfile(path).model.encoder
    encoder: nn.Module = MODELS.build(cfg)
    found, total = layer_depths(encoder)
    depths = stages_of(cfg)
    assert total == sum(depths)
    want = {name: by_hand(name, depths) for name, _ in encoder.named_parameters()}
    assert found == want


@pytest.mark.parametrize(
    'network',
    [
        # mmpretrain gives fewer than ten blocks six layers, and more of them twelve.
        dict(type='mmpretrain.ConvNeXt', arch='tiny', gap_before_final_norm=True),
        dict(type='mmpretrain.ConvNeXt', arch='small', gap_before_final_norm=True),
        dict(type='mmpretrain.ResNet', depth=50),
        dict(type='mmpretrain.ResNet', depth=101),
    ],
    ids=['convnext-tiny', 'convnext-small', 'resnet50', 'resnet101'],
)
def test_shared_layers_are_those_of_mmpretrain(network: dict[str, Any]) -> None:
    encoder: Any = MODELS.build(network)
    found, total = layer_depths(encoder, blocks_per_layer=3, stem_apart=True)
    for name, layer in found.items():
        # It knows a ResNet by the name that a classifier gives it.
        want, count = encoder.get_layer_depth(f'backbone.{name}', 'backbone.')
        if network['type'] == 'mmpretrain.ResNet' and 'layer' in name:
            want, count = encoder.get_layer_depth(f'backbone.{name}', '')
        assert (layer, total + 2) == (want, count), name


def test_networks_of_timm() -> None:
    for name, depths in (('resnet18', [2, 2, 2, 2]), ('convnext_atto', [2, 2, 6, 2])):
        network: nn.Module = MODELS.build(
            dict(type='mmpretrain.TIMMBackbone', model_name=name)
        )
        found, total = layer_depths(network)
        assert total == sum(depths)
        for parameter, layer in found.items():
            parts = parameter.split('.')
            if parts[1].startswith('layer'):
                stage, block = int(parts[1][5:]) - 1, int(parts[2])
                assert layer == sum(depths[:stage]) + block + 1, parameter
            if parts[1] == 'stages' and parts[3] == 'blocks':
                assert layer == sum(depths[: int(parts[2])]) + int(parts[4]) + 1
            if parts[1] == 'stages' and parts[3] == 'downsample':
                assert layer == sum(depths[: int(parts[2])]) + 1
            if parts[1] in ('conv1', 'bn1', 'stem'):
                assert layer == 1


def test_networks_without_blocks_are_refused() -> None:
    with pytest.raises(ValueError, match='no chain of blocks'):
        layer_depths(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()))
    with pytest.raises(ValueError, match='trial run without data failed'):
        layer_depths(nn.Sequential(nn.Conv2d(5, 4, 3)))
    with pytest.raises(ValueError, match='blocks_per_layer'):
        layer_depths(nn.Sequential(), 0)


def classifier() -> nn.Module:
    model: nn.Module = MODELS.build(
        dict(
            type='mmpretrain.ImageClassifier',
            backbone=dict(
                type='mmpretrain.ConvNeXt',
                arch=SMALL_ARCH,
                use_grn=True,
                layer_scale_init_value=0.0,
            ),
            head=dict(type='mmpretrain.LinearClsHead', num_classes=3, in_channels=32),
        )
    )
    return model


def test_learning_rates_and_decays_of_the_recipe() -> None:
    """Closed form: 3.2e-3 * 0.9 ** (6 - layer) for five blocks; the head has 3.2e-3."""
    path = configs_root() / '_base_/schedules/adamw_layerdecay_300e.py'
    model = classifier()
    wrapper = build_optim_wrapper(model, dict(Config.fromfile(path).optim_wrapper))
    names = {id(p): n for n, p in model.named_parameters()}
    seen = []
    for group in wrapper.optimizer.param_groups:
        for parameter in group['params']:
            name = names[id(parameter)]
            seen.append(name)
            own = name.removeprefix('backbone.')
            layer = 6 if own == name else by_hand(own, [1, 1, 2, 1])
            assert group['lr'] == pytest.approx(3.2e-3 * 0.9 ** (6 - layer)), name
            assert group['lr_scale'] == pytest.approx(0.9 ** (6 - layer)), name
            spared = parameter.dim() == 1
            assert group['weight_decay'] == (0.0 if spared else 0.05), name
    assert sorted(seen) == sorted(names.values())
    # A group for each layer and decay; the first layer has both, and so has the head.
    assert len(wrapper.optimizer.param_groups) == 2 * 6


def test_a_weight_that_layers_share_is_in_the_group_of_the_first() -> None:
    path = configs_root() / '_base_/schedules/adamw_layerdecay_300e.py'
    model: Any = classifier()
    stage = model.backbone.stages[2]
    assert stage[0].pointwise_conv1.weight.shape == stage[1].pointwise_conv1.weight.shape
    stage[1].pointwise_conv1.weight = stage[0].pointwise_conv1.weight
    wrapper = build_optim_wrapper(model, dict(Config.fromfile(path).optim_wrapper))
    found = [p for group in wrapper.optimizer.param_groups for p in group['params']]
    assert len(found) == len({id(p) for p in found}) == len(list(model.parameters()))
    (layer,) = (
        group['layer_id']
        for group in wrapper.optimizer.param_groups
        if any(p is stage[0].pointwise_conv1.weight for p in group['params'])
    )
    assert layer == by_hand('stages.2.0.pointwise_conv1.weight', [1, 1, 2, 1])
