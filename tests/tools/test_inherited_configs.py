"""Configs that inherit from the package do what those do that inherit by a path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

import videomac
from tests.datasets.media import numbered, write_frames
from tests.tools.test_finetune_cli import draw, knn_config, options, tiny_encoder, tool
from videomac.utils import configs_root, read_config

pytestmark = pytest.mark.skipif(
    not Path(videomac.__file__).with_name('.mim').is_dir(),
    reason='mmengine finds the configs of the package only where it is installed',
)
PRETRAINING, FINE_TUNING = 'videomac/demo.py', 'finetune/demo.py'
KNN = 'finetune/videomac_convnextv2-tiny_knn_in1k.py'


def inherit(folder: Path, name: str, text: str = '') -> tuple[Path, Path]:
    """Write two configs of one name: one inherits by a path, one from the package."""
    made = folder / 'path' / 'mine.py', folder / 'package' / 'mine.py'
    for config, root in zip(made, (f'{configs_root()}/', 'videomac::'), strict=True):
        config.parent.mkdir(parents=True)
        config.write_text(f"_base_ = ['{root}{name}']\n{text}")
    return made


@pytest.mark.parametrize('name', [PRETRAINING, FINE_TUNING, KNN])
def test_nothing_shows_where_a_config_inherits_from(tmp_path: Path, name: str) -> None:
    by_path, from_package = inherit(tmp_path, name)
    assert read_config(from_package).to_dict() == Config.fromfile(by_path).to_dict()


def test_scopes_that_say_something_stay(tmp_path: Path) -> None:
    """Where another package is looked in first; functions are of no package."""
    _, config = inherit(tmp_path, PRETRAINING, "default_scope = 'mmpretrain'\n")
    cfg = read_config(config)
    assert cfg.model._scope_ == cfg.train_dataloader.dataset._scope_ == 'videomac'
    assert cfg.train_dataloader.collate_fn == {'type': 'default_collate'}


def test_pre_training(tmp_path: Path) -> None:
    """The same weights after two iterations."""
    frames = tmp_path / 'frames'
    write_frames(frames / 'clip', numbered(6), size=(128, 128))
    source = f"dict(_delete_=True, type='FrameFolders', data_root='{frames}')"
    text = f'train_dataloader = dict(dataset=dict(source={source}))\n'
    given = ['train_dataloader.batch_size=2', 'train_dataloader.num_workers=0']
    given += ['model.encoder.arch.depths=[1,1]', 'model.encoder.arch.channels=[8,16]']
    given += ['model.decoder.dim=8', 'train_cfg.max_iters=2']
    given += ['default_hooks.checkpoint.interval=2']
    states: list[dict[str, Any]] = []
    for config in inherit(tmp_path, PRETRAINING, text):
        work = config.parent / 'work'
        arguments = [str(config), '--work-dir', str(work), '--cfg-options', *given]
        tool('train').main(arguments)
        saved = torch.load(work / 'iter_2.pth', weights_only=True)
        states.append(saved['state_dict'])
    first, second = states
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_images(tmp_path: Path) -> None:
    """Fine-tuning with validation, the test of the classifier, and k-NN."""
    draw(tmp_path / 'data', per_class=6)
    tiny_encoder(tmp_path / 'pre.pth')
    given = options(tmp_path / 'data', tmp_path / 'pre.pth')
    few = ['max_epochs=2', 'warmup_epochs=1', 'train_cfg.val_interval=2']
    few += ['default_hooks.checkpoint.interval=2']
    config = str(inherit(tmp_path, FINE_TUNING)[1])
    work = tmp_path / 'work'
    tool('train').main([config, '--work-dir', str(work), *given, *few])
    arguments = ['--work-dir', str(work / 'test'), *given]
    found = tool('test').main([config, str(work / 'epoch_2.pth'), *arguments])
    assert found.keys() == {'accuracy/top1'}

    knn = knn_config(tmp_path)
    text = knn.read_text()
    knn.write_text(text.replace(f'{configs_root()}/', 'videomac::'))
    assert knn.read_text() != text
    arguments = ['--work-dir', str(tmp_path / 'w'), '--cfg-options', 'num_classes=2']
    arguments += ['k=3', f'data_root={tmp_path / "data"}', 'batch_size=5']
    found = tool('test').main([str(knn), str(tmp_path / 'pre.pth'), *arguments])
    assert found == {'accuracy/top1': 100.0}  # colour alone tells the classes apart
