"""Common mistakes on the command line of train.py and test.py end in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tools.test_train_cli import load_tool
from videomac.utils import configs_root, tools_root

train = load_tool(tools_root() / 'train.py')
test = load_tool(tools_root() / 'test.py')

PAIRS = 'videomac/videomac_resnet18_8xb64-coslr-100e_ytvos.py'
CLASSES = 'finetune/videomac_resnet50_8xb512-coslr-300e_in1k.py'
DAVIS = 'propagation/davis2017/mini_convnextv2-atto_s8_davis2017.py'
ROOT = 'train_dataloader.dataset.source.data_root'


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two videos of two frames each, as YouTube-VOS has them."""
    rng = np.random.default_rng(0)
    for video in ('a', 'b'):
        folder = tmp_path / 'data' / 'JPEGImages' / video
        folder.mkdir(parents=True)
        for i in range(2):
            pixels = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f'{i:05}.jpg')
    return tmp_path / 'data'


def line_of(main: object, *words: str) -> str:
    """What a tool ends with."""
    with pytest.raises(SystemExit) as caught:
        main(list(words))  # type: ignore[operator]
    text = str(caught.value)
    assert '\n' not in text.strip()
    return text


def test_training(data: Path, tmp_path: Path) -> None:
    here = ('--work-dir', str(tmp_path / 'w'))
    there = ('--cfg-options', f'{ROOT}={data}', 'train_dataloader.num_workers=0')
    assert "no config 'nothing'" in line_of(train.main, 'nothing')
    found = line_of(train.main, PAIRS, *here, '--cfg-options', f'{ROOT}={tmp_path}/no')
    assert found.startswith('train.py: ')
    assert "/no/JPEGImages' is not a folder" in found
    assert f'set {ROOT}' in found
    found = line_of(train.main, CLASSES, *here)
    assert "train_dataloader.dataset.data_root: there is no folder 'data/im" in found
    found = line_of(train.main, PAIRS, *here, *there, 'model.masking.ratoi=0.5')
    assert 'TypeError' in found
    assert "unexpected keyword argument 'ratoi'" in found
    found = line_of(train.main, PAIRS, *here, *there, 'model.encoder.type=ResNot')
    assert 'ResNot is not in the' in found
    found = line_of(train.main, PAIRS, *here, *there, '--resume', 'no.pth')
    assert "--resume: there is no checkpoint 'no.pth'" in found
    one = (*there, 'train_dataloader.batch_size=1')
    found = line_of(train.main, PAIRS, *here, *one, 'param_scheduler.1.end=2')
    assert 'begins after epoch 10, but ends after epoch 2' in found
    single = ('model.target=None', 'model.consistency_loss=None')
    found = line_of(train.main, PAIRS, *here, *one, *single)
    assert found.startswith('train.py: TargetEMAHook needs a model with a target')
    assert 'custom_hooks=[]' in found
    found = line_of(train.main, DAVIS, *here)
    assert 'has no train_cfg and no train_dataloader and no optim_wrapper' in found
    weights = tmp_path / 'x.pth'
    weights.write_bytes(b'')
    assert line_of(train.main, str(weights), *here).startswith('train.py: ')
    # Two videos have four frames and not one batch of 64.
    found = line_of(train.main, PAIRS, *here, *there)
    assert 'fewer than a batch of 64 on each of 1 process' in found


def test_testing(tmp_path: Path) -> None:
    here = ('none', '--work-dir', str(tmp_path / 'w'))
    found = line_of(test.main, PAIRS, *here)
    assert 'tests nothing (it has no test_dataloader)' in found
    root = tmp_path / 'davis'
    root.mkdir()
    there = ('--cfg-options', f'test_dataloader.dataset.data_root={root}')
    found = line_of(test.main, DAVIS, *here, *there, 'test_dataloader.dataset.video=a')
    assert "unexpected keyword argument 'video'" in found
    found = line_of(test.main, DAVIS, *here, *there, 'topk=1')
    assert 'Did you mean model.topk?' in found
    assert (configs_root() / DAVIS).is_file()
