"""Every shipped config of label propagation builds, at its stride and by its protocol."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from videomac.evaluation import JAndFMetric, PCKMetric, VIPInstanceAP, VIPMeanIoU
from videomac.models.propagation import PoseCoder, PropagationSettings
from videomac.registry import METRICS, MODELS
from videomac.utils.paths import configs_root

pytest.importorskip('mmpretrain')
ROOT = configs_root() / 'propagation'
PRETRAINING = configs_root() / 'videomac'
CONFIGS = sorted(ROOT.rglob('*.py'))
OURS = [path for path in CONFIGS if path.name.startswith('videomac_')]
NAME = re.compile(
    r'(?P<method>[a-z-]+)_(?P<encoder>.+)_s(?P<stride>\d+)_(?P<benchmark>[\w-]+)\.py'
)
METRIC = {
    'davis2016': JAndFMetric,
    'davis2017': JAndFMetric,
    'vip': VIPMeanIoU,
    'vip-instances': VIPInstanceAP,
    'jhmdb': PCKMetric,
    'ytvos': None,
}


@pytest.fixture(autouse=True)
def _scope() -> None:
    init_default_scope('videomac')


def encoder_names() -> set[str]:
    """Encoders of the pre-training configs; patch sizes and data are no other ones."""
    names = (path.stem.split('_')[1] for path in PRETRAINING.glob('videomac_*.py'))
    return {name for name in names if '-patch' not in name}


@functools.cache
def map_shape(backbone: str) -> tuple[int, ...]:
    """Shape of the map of a 64 x 96 image."""
    return tuple(MODELS.build(json.loads(backbone))(torch.zeros(1, 3, 64, 96)).shape)


@functools.cache
def load(path: Path) -> Any:
    """Read a config."""
    return Config.fromfile(path)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_config_builds(path: Path) -> None:
    cfg = load(path)
    name = NAME.fullmatch(path.name)
    assert name is not None
    assert path.parent.name == name['benchmark'].split('-')[0]
    stride = int(name['stride'])
    assert cfg.model.backbone.output_stride == stride
    shape = map_shape(json.dumps(cfg.model.backbone.to_dict()))
    assert shape[2:] == (64 // stride, 96 // stride)
    metric = METRIC[name['benchmark']]
    if metric is None:
        assert cfg.test_evaluator is None
    else:
        assert isinstance(METRICS.build(cfg.test_evaluator), metric)


@pytest.mark.parametrize('path', OURS, ids=lambda path: path.stem)
def test_encoder_is_the_pretrained_one(path: Path) -> None:
    """So that a checkpoint of the config of that name fits."""
    cfg = load(path)
    encoder = path.name.split('_')[1]
    (source,) = PRETRAINING.glob(f'videomac_{encoder}_*_ytvos.py')
    assert cfg.model.backbone.network == load(source).model.encoder


@pytest.mark.parametrize('benchmark', ['davis2017', 'davis2016', 'vip', 'jhmdb'])
def test_every_encoder_has_every_benchmark(benchmark: str) -> None:
    paths = (ROOT / benchmark).glob('videomac_*.py')
    found = {path.name.split('_')[1] for path in paths}
    assert found == encoder_names()


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_configs_are_short_and_two_levels_deep(path: Path) -> None:
    text = path.read_text()
    assert all('../../_base_/' in line for line in re.findall(r"'(\S+\.py)'", text))
    if 'ytvos' not in path.name:
        assert len(text.splitlines()) <= 9


def base(name: str) -> Any:
    """The base config of a benchmark."""
    return load(configs_root() / '_base_' / 'propagation' / f'{name}.py')


def settings(cfg: Any) -> PropagationSettings:
    """What the model would make of its config."""
    other = ('type', 'pose', 'backbone', 'feature_dtype', 'memory_budget', 'preset')
    own = {key: value for key, value in cfg.model.items() if key not in other}
    return PropagationSettings.preset(cfg.model.preset, **own)


def test_davis_protocol() -> None:
    """Section by section what DINO's evaluation has."""
    cfg = base('davis2017')
    assert settings(cfg) == PropagationSettings.preset('dino')
    found = settings(cfg)
    assert (found.previous, found.window, found.radius) == (7, 'square', 12)
    assert (found.topk, found.temperature, found.min_max) == (5, 0.1, True)
    dataset = cfg.test_dataloader.dataset
    assert (dataset.size, dataset.multiple) == (480, 64)
    assert tuple(dataset.std) == (0.228, 0.224, 0.225)
    assert dataset.round_resized is True


def test_vip_protocol() -> None:
    """What CRW's evaluation has, with four previous frames."""
    cfg = base('vip')
    changed = {'previous': 4, 'decode': 'network'}
    assert settings(cfg) == PropagationSettings.preset('crw', **changed)
    assert cfg.model.temperature == 0.05
    assert tuple(cfg.test_dataloader.dataset.size) == (560, 560)
    assert cfg.test_dataloader.dataset.round_resized is False
    assert cfg.test_evaluator.first_frame is True


def test_jhmdb_protocol() -> None:
    """What CRW's evaluation has, with seven previous frames."""
    cfg = base('jhmdb')
    assert settings(cfg) == PropagationSettings.preset('crw', previous=7)
    assert PoseCoder(**cfg.model.pose) == PoseCoder(sigma=0.5, top=3)
    assert tuple(cfg.test_dataloader.dataset.size) == (320, 320)
    assert cfg.test_dataloader.dataset.round_resized is False
    assert cfg.test_evaluator.first_frame is False


def test_readme_lists_every_config() -> None:
    readme = (ROOT / 'README.md').read_text(encoding='utf-8')
    missing = [
        path.name
        for path in CONFIGS
        if f'({path.relative_to(ROOT).as_posix()})' not in readme
    ]
    assert not missing
