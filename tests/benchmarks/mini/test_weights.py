"""The weights that are shipped: whole, small, and those of the shipped configs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from benchmarks.mini.rows import CONFIGS
from benchmarks.mini.scoring import score
from tests.real_data import real_data
from videomac.checkpoints import read_checkpoint
from videomac.registry import MODELS
from videomac.utils.paths import configs_root

FOLDER = CONFIGS.parent / 'weights'
FILES = sorted(FOLDER.glob('*.safetensors'))
EVIDENCE = FOLDER.parents[2] / 'docs' / 'en' / 'evidence.md'
PROPAGATION = sorted((configs_root() / 'propagation').glob('*/mini_convnextv2-atto_*.py'))


def test_there_are_files_and_configs() -> None:
    assert FILES
    assert {path.parent.name for path in PROPAGATION} == {
        *('davis2016', 'davis2017', 'jhmdb', 'vip')
    }


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_file_is_small_and_the_one_that_was_measured(path: Path) -> None:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert path.stem.endswith(f'-{digest[:8]}')
    assert path.stat().st_size < 20e6
    assert digest in EVIDENCE.read_text(encoding='utf-8')


@pytest.mark.parametrize('path', PROPAGATION, ids=lambda path: path.stem)
def test_features_are_those_of_the_mini_benchmark(path: Path) -> None:
    """The same network, stages and stride, with every tensor of the file in its place."""
    init_default_scope('videomac')
    backbone = Config.fromfile(path).model.backbone
    want = Config.fromfile(CONFIGS / 'videomac.py').features
    assert {key: backbone[key] for key in want} == want
    for file in FILES:
        backbone.checkpoint = str(file)
        extractor = MODELS.build(backbone)
        own = extractor.network.state_dict()
        stored = read_checkpoint(file)
        assert set(stored) == set(own)
        assert all(torch.equal(value, stored[name]) for name, value in own.items())
        features = extractor(torch.rand(1, 3, 64, 96))
        assert features.shape == (1, 80 + 160 + 320, 8, 12)
        assert features.isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_a_dog_is_followed_better_than_with_random_weights(
    path: Path, tmp_path: Path
) -> None:
    """At half the resolution of the protocol."""
    (config,) = [each for each in PROPAGATION if each.parent.name == 'davis2017']
    cfg = Config.fromfile(config)
    cfg.test_dataloader.dataset.update(
        data_root=str(real_data('davis2017')), videos=['dog'], size=240
    )
    trained = score(cfg, path, tmp_path / 'trained')['J&F']
    assert trained > score(cfg, None, tmp_path / 'random')['J&F'] + 0.1
