"""Every config of the mini-benchmark builds, trains, and is propagated with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from benchmarks.mini.rows import CONFIGS, ROWS, Row, read_config, schedule
from benchmarks.mini.scoring import propagation_config
from benchmarks.mini.training import frames_of, image_size
from videomac.registry import HOOKS, MODELS

TRAINED = [row for row in ROWS if row.trained]


def test_every_config_has_a_row() -> None:
    assert {path.stem for path in CONFIGS.glob('*.py')} == {row.config for row in TRAINED}


@pytest.mark.parametrize('row', TRAINED, ids=lambda row: row.name)
def test_it_trains_and_its_weights_are_what_is_propagated_with(
    row: Row, tmp_path: Path
) -> None:
    cfg = read_config(row, Path('x'), 0)
    init_default_scope('videomac')
    for hook in cfg.custom_hooks:
        HOOKS.build(hook)
    model: Any = MODELS.build(cfg.model)
    model.init_weights()
    side, frames = image_size(cfg), frames_of(cfg)
    preprocess = MODELS.build(cfg.model.get('data_preprocessor', cfg.data_preprocessor))
    images = torch.randint(0, 256, (2, frames, 3, side, side), dtype=torch.uint8)
    inputs = preprocess(dict(inputs=images), True)['inputs']
    losses = model(inputs, [], mode='loss')
    total = sum(losses.values())
    assert torch.isfinite(total)
    total.backward()
    # Everything of the encoder that is trained is in the network that is scored.
    path = tmp_path / 'iter_1.pth'
    torch.save(dict(state_dict=model.state_dict()), path)
    scoring = propagation_config(cfg, Path('x'), 0)
    scoring.model.backbone.checkpoint = str(path)
    backbone = MODELS.build(scoring.model).backbone
    features = backbone(torch.rand(1, 3, 64, 96))
    stride = 16 if 'stride 16' in row.title else 8
    assert features.shape[-2:] == (64 // stride, 96 // stride)
    encoder = getattr(model, 'encoder', None) or model.backbone
    own, loaded = encoder.state_dict(), backbone.network.state_dict()
    assert set(loaded) <= set(own)
    for name, value in loaded.items():
        assert torch.equal(value, own[name].view_as(value)), name


def test_the_default_is_the_sketch() -> None:
    cfg = Config.fromfile(CONFIGS / 'videomac.py')
    assert (cfg.image_size, cfg.train_dataloader.batch_size) == (224, 32)
    assert cfg.train_cfg.max_iters == 1200
    assert cfg.optim_wrapper.optimizer.type == 'AdamW'
    assert cfg.optim_wrapper.optimizer.lr == 1.5e-3
    assert cfg.model.consistency_loss.weight == 1
    assert cfg.train_dataloader.dataset.gap == 1
    assert cfg.model.encoder.arch == 'atto'


def test_the_schedule_covers_the_steps() -> None:
    cfg = Config.fromfile(CONFIGS / 'gap5.py')
    schedule(cfg, 50, 7)
    rise, fall = cfg.param_scheduler
    assert (rise.begin, rise.end, fall.begin, fall.end) == (0, 7, 7, 50)
    assert fall.T_max == 43
    assert cfg.train_cfg.max_iters == 50
    for steps, warmup in ((50, 50), (50, 0), (1, 1)):
        with pytest.raises(ValueError, match='warm-up'):
            schedule(cfg, steps, warmup)
