"""Runs of tools/test.py on drawn videos, with a network that sees colours."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.datasets.trees import make_davis, moving_squares
from tests.tools.test_train_cli import load_tool
from videomac.utils import configs_root, tools_root

__all__ = [
    'BASES',
    'TEST',
    '_network',
    'davis',
    'predictions',
    'run',
    'start',
    'test',
    'write_config',
]

TEST = tools_root() / 'test.py'
test = load_tool(TEST)
BASES = configs_root() / '_base_' / 'propagation'

#: Cells of 8 pixels that see colours; waits for a moment at every frame if told to.
NETWORK = """
import os, time
import torch
from videomac.registry import MODELS

@MODELS.register_module(force=True)
class Colours(torch.nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, width, 8, 8)

    def forward(self, x):
        if x.device.type != 'meta':  # where the stride is measured
            time.sleep(float(os.environ.get('SECONDS_A_FRAME', 0)))
            print('a frame')
        return self.conv(x).tanh()
"""
CONFIG = """
_base_ = [{base!r}]
custom_imports = dict(imports=['colours'])
model = dict(backbone=dict(network=dict(type='Colours')))
test_dataloader = dict(dataset=dict(data_root={root!r}, **{dataset!r}))
"""
#: Frames of 48 x 64 pixels become 64 x 64, which is 8 x 8 cells.
SMALL = {'size': (64, 64)}


@pytest.fixture(autouse=True)
def _network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'colours.py').write_text(NETWORK)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv('LOCAL_RANK', '0')
    sys.modules.pop('colours', None)


def write_config(
    path: Path, benchmark: str, root: Path, dataset: Mapping[str, Any], more: str = ''
) -> Path:
    """Write a config that inherits a shipped base."""
    text = CONFIG.format(
        base=str(BASES / f'{benchmark}.py'),
        root=str(root),
        dataset={**SMALL, **dataset},
    )
    path.write_text(text + more)
    return path


@pytest.fixture
def davis(tmp_path: Path) -> Path:
    """A config of DAVIS-2017 with four drawn videos."""
    videos = {
        name: moving_squares(3 + i, (48, 64), objects=1 + i % 2)
        for i, name in enumerate(('dog', 'ant', 'cow', 'bee'))
    }
    root = make_davis(tmp_path / 'DAVIS', videos)
    return write_config(tmp_path / 'tiny.py', 'davis2017', root, {})


def run(config: Path, work_dir: Path, *args: object) -> dict[str, float]:
    """Call the tool in this process."""
    options = ['none', '--work-dir', str(work_dir), *map(str, args)]
    result: dict[str, float] = test.main([str(config), *options])
    return result


def predictions(work_dir: Path) -> dict[str, bytes]:
    """The files of the predictions, and the tables beside them."""
    folder = work_dir / 'predictions'
    paths = [path for path in folder.rglob('*') if path.is_file()]
    tables = [*work_dir.glob('*.csv'), *work_dir.glob('*.json')]
    return {
        str(path.relative_to(work_dir)): path.read_bytes() for path in (*paths, *tables)
    }


def start(*command: object, folder: Path, **env: str) -> subprocess.Popen[str]:
    """Start a process that finds videomac and the network."""
    path = f'{TEST.parents[1]}{os.pathsep}{folder}'
    return subprocess.Popen(
        [str(word) for word in command],
        env={**os.environ, 'PYTHONPATH': path, 'OMP_NUM_THREADS': '1', **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
