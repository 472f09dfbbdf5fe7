"""Hooks of any name are switched off by None."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from tests.datasets.media import numbered, write_frames
from tests.tools.test_finetune_cli import knn_of_colours, tool
from videomac.engine.image_evaluation import evaluate_images
from videomac.utils import configs_root, drop_unset_hooks, merge_options
from videomac.utils.unset_hooks import ADDED

HOOKS = Config.fromfile(configs_root() / '_base_' / 'default_runtime.py').default_hooks
OURS = [name for name in HOOKS if name not in ADDED]


def test_mmengine_knows_those_that_it_adds_itself() -> None:
    left: list[Any] = []
    runner: Any = SimpleNamespace(register_hook=left.append)
    Runner.register_default_hooks(runner, dict.fromkeys(ADDED))
    assert left == []


@pytest.mark.parametrize(
    ('hooks', 'left'),
    [
        (None, None),
        ({}, {}),
        (dict(monitor=None, timer=None), dict(timer=None)),
        (dict(mine=None, other=dict(type='Other')), dict(other=dict(type='Other'))),
    ],
)
def test_others_are_dropped(hooks: Any, left: Any) -> None:
    cfg = Config(dict(default_hooks=hooks))
    drop_unset_hooks(cfg)
    assert cfg.default_hooks == left


def test_training_without(tmp_path: Path) -> None:
    """As the guard of finite numbers advises where there are several optimisers."""
    frames, config = tmp_path / 'frames', tmp_path / 'mine.py'
    write_frames(frames / 'clip', numbered(6), size=(128, 128))
    source = f"dict(_delete_=True, type='FrameFolders', data_root='{frames}')"
    config.write_text(
        f"_base_ = ['{configs_root()}/videomac/demo.py']\n"
        f'train_dataloader = dict(dataset=dict(source={source}))\n'
        'default_hooks = dict(finite_guard=None)\n'
    )
    given = ['train_dataloader.batch_size=2', 'train_dataloader.num_workers=0']
    given += ['model.encoder.arch.depths=[1,1]', 'model.encoder.arch.channels=[8,16]']
    given += ['model.decoder.dim=8', 'train_cfg.max_iters=2']
    given += ['default_hooks.checkpoint.interval=2']
    given += [f'default_hooks.{name}=None' for name in [*OURS, 'timer']]
    work = str(tmp_path / 'work')
    tool('train').main([str(config), '--work-dir', work, '--cfg-options', *given])
    assert (tmp_path / 'work' / 'iter_2.pth').is_file()


def test_evaluation_of_images_without(tmp_path: Path) -> None:
    cfg = knn_of_colours(tmp_path)
    merge_options(cfg, {f'default_hooks.{name}': None for name in OURS})
    results = evaluate_images(cfg, str(tmp_path / 'pre.pth'))
    assert results == {'accuracy/top1': 100.0}
