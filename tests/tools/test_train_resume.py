"""``tools/train.py --resume`` meets damaged files and folders that cannot be used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

from tests.engine.tiny import runner_config
from videomac.engine.checkpoint_files import find_damage

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Write a config that trains for a moment and saves each iteration."""
    cfg = runner_config(tmp_path / 'run', iterations=4)
    cfg['custom_imports'] = dict(imports=['tests.engine.tiny'])
    cfg['default_hooks']['checkpoint'] = dict(
        type='VerifiedCheckpointHook', interval=1, by_epoch=False
    )
    cfg['log_level'] = 'INFO'
    path = tmp_path / 'tiny.py'
    Config(cfg).dump(path)
    return path


def train(config: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the tool."""
    return subprocess.run(
        [sys.executable, '-W', 'ignore', 'tools/train.py', str(config), *arguments],
        cwd=ROOT,
        env=os.environ | {'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
    )


def test_damaged_checkpoints(config: Path) -> None:
    """The one before is used, and when all are damaged nothing is."""
    folder = config.parent / 'run'
    assert train(config).returncode == 0
    last, before = folder / 'iter_4.pth', folder / 'iter_3.pth'
    data = last.read_bytes()
    last.write_bytes(data[: len(data) // 2])
    done = train(config, '--resume')
    assert done.returncode == 0, done.stderr
    output = done.stdout + done.stderr
    assert f"the checkpoint '{last}' is truncated" in output
    assert f"resuming from the checkpoint '{before}' instead" in output
    assert 'resumed epoch: 0, iter: 3' in output
    assert find_damage(last) is None
    for path in folder.glob('*.pth'):
        path.write_bytes(b'damaged')
    done = train(config, '--resume')
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith('train.py: no checkpoint in')


def test_a_work_dir_that_cannot_be_made(config: Path) -> None:
    """Known before anything is built, and said in one line."""
    done = train(config, '--work-dir', str(config / 'below'))
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith('train.py: checkpoints cannot be saved in')
