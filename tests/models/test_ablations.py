"""Ablations differ from the paper's default in what their names say, and train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmengine.registry import init_default_scope

from tests.datasets.media import numbered, write_frames
from videomac.analysis.paper import default_config, paper_tables
from videomac.registry import DATASETS, HOOKS, MODELS
from videomac.utils import configs_root
from videomac.utils.config_difference import config_difference, flatten_config

BASE = configs_root() / default_config()
CONFIGS = sorted((configs_root() / 'ablations').glob('*.py'))
BEGIN, _, END = BASE.stem.partition('_8xb')

PIPELINES = ('train_pipeline', 'train_dataloader.dataset.pipeline')
JITTER = {
    'type': 'FramesColorJitter',
    'brightness': 0.4,
    'contrast': 0.4,
    'saturation': 0.4,
    'hue': 0.1,
}
CENTRE = {'type': 'FramesResizedCenterCrop', 'size': 224}
CROP = {'type': 'FramesRandomResizedCrop', 'size': 224, 'scale': (0.2, 1.0)}
FLIP = {'type': 'FramesRandomFlip', 'prob': 0.5}
PACK = {'type': 'PackFrames'}

#: What each name says: the keys that change, and their values.
CHANGES: dict[str, dict[str, Any]] = {
    **{
        f'decoder-depth{n}': {'decoder_depth': n, 'model.decoder.depth': n}
        for n in (2, 4, 8)
    },
    **{
        f'decoder-dim{n}': {'decoder_dim': n, 'model.decoder.dim': n}
        for n in (128, 256, 1024)
    },
    'asymmetric': {'model.masking.symmetric': False},
    **{
        f'ratio{n}': {'mask_ratio': n / 100, 'model.masking.ratio': n / 100}
        for n in (65, 85, 95)
    },
    **{
        f'gamma{name}': {
            'consistency_weight': value,
            'model.consistency_loss.weight': value,
        }
        for name, value in (('0', 0.0), ('0p1', 0.1), ('0p5', 0.5))
    },
    'online': {'model.target': None, 'model.consistency_loss': None, 'custom_hooks': []},
    'online-consistency': {'model.target_loss': False},
    **{f'gap{n}': {'gap': n, 'train_dataloader.dataset.gap': n} for n in (5, 10)},
    'color': {key: [CENTRE, JITTER, PACK] for key in PIPELINES},
    'spatial-color': {key: [CROP, FLIP, JITTER, PACK] for key in PIPELINES},
}


def ablation(path: Path) -> str:
    """What the name of a config adds to that of the default."""
    assert path.stem.startswith(f'{BEGIN}-')
    assert path.stem.endswith(f'_8xb{END}')
    return path.stem[len(BEGIN) + 1 : -len(f'_8xb{END}')]


def load(path: Path) -> Any:
    """A config as a plain dictionary."""
    return Config.fromfile(path).to_dict()


def at(tree: Any, key: str) -> Any:
    """The value of a dotted key."""
    for part in key.split('.'):
        tree = tree[part]
    return tree


def plain(value: Any) -> Any:
    """Lists for tuples, which configs mix."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def test_the_set_is_complete() -> None:
    assert {ablation(path) for path in CONFIGS} == set(CHANGES)


@pytest.mark.parametrize('path', CONFIGS, ids=ablation)
def test_differs_from_the_default_in_what_its_name_says(path: Path) -> None:
    old, new = load(BASE), load(path)
    changes = CHANGES[ablation(path)]
    for key, value in changes.items():
        assert plain(at(new, key)) == plain(value), key
    lines = config_difference(flatten_config(old), flatten_config(new))
    assert lines
    for line in lines:
        key = line.partition(':')[0]
        assert any(key == k or key.startswith(f'{k}.') for k in changes), line
    for key in changes:
        assert any(line.startswith((f'{key}:', f'{key}.')) for line in lines), key


@pytest.mark.parametrize('path', CONFIGS, ids=ablation)
def test_holds_nothing_but_its_difference(path: Path) -> None:
    text = path.read_text(encoding='utf-8')
    assert text.startswith(f"_base_ = ['../videomac/{BASE.name}']\n")
    assert '# Table ' in text


@pytest.mark.parametrize('path', CONFIGS, ids=ablation)
def test_builds_and_computes_losses(path: Path, tmp_path: Path) -> None:
    """On frames of files, with the smallest encoder of the family."""
    cfg = Config.fromfile(path)
    cfg.model.encoder.arch = dict(depths=[1, 1, 1, 1], channels=[8, 16, 24, 32])
    init_default_scope(cfg.default_scope)
    write_frames(tmp_path / 'JPEGImages' / 'a', numbered(12, '.jpg'))
    cfg.train_dataloader.dataset.source.data_root = str(tmp_path)
    data: Any = DATASETS.build(cfg.train_dataloader.dataset)
    assert len(data) == 12 - cfg.gap
    model = MODELS.build(cfg.model)
    inputs = MODELS.build(cfg.data_preprocessor)(default_collate([data[0], data[1]]))
    assert inputs['inputs'].shape == (2, 2, 3, 224, 224)
    losses = model(inputs['inputs'], mode='loss')
    short = {'online': 1, 'online-consistency': 2}.get(ablation(path), 3)
    assert len(losses) == short
    assert all(torch.isfinite(value) for value in losses.values())
    if ablation(path) == 'gamma0':
        assert losses['loss_consistency'] == 0
    for hook in cfg.custom_hooks:
        HOOKS.build(hook)


def test_rows_name_the_values_of_their_configs() -> None:
    """The text of a row is the value in its config, read along another way."""
    keys = {
        'decoder_depth': 'model.decoder.depth',
        'decoder_width': 'model.decoder.dim',
        'gap': 'train_dataloader.dataset.gap',
        'gamma': 'model.consistency_loss.weight',
        'mask_ratio': 'model.masking.ratio',
    }
    tables = paper_tables()
    for name, key in keys.items():
        for row in tables[name].rows:
            assert row.config is not None
            assert str(at(load(configs_root() / row.config), key)) == row.about[0]
    symmetric = {
        row.about[0]: at(
            load(configs_root() / str(row.config)), 'model.masking.symmetric'
        )
        for row in tables['masking'].rows
    }
    assert symmetric == {'asymmetric': False, 'symmetric': True}
