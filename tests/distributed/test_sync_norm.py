"""Synchronised BatchNorm on sparse maps, in several processes and in one."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.model import convert_sync_batchnorm, revert_sync_batchnorm
from torch import nn

from tests.distributed.test_processes import ROOT
from videomac.sparse import MaskedDense, PatchGrid, PatchSparse, SparseBackend

SCRIPT = Path(__file__).with_name('sync_norms.py')
backends = pytest.mark.parametrize(
    'backend', [PatchSparse(), MaskedDense()], ids=['patches', 'masked']
)


def run_processes(script: Path, *arguments: str) -> None:
    """Run a script in two processes."""
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone']
    command += ['--nproc_per_node=2', str(script), *arguments]
    env = os.environ | {'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize('name', ['patches', 'masked'])
def test_two_processes_normalise_by_the_cells_of_both(name: str) -> None:
    run_processes(SCRIPT, name)


def test_runner_converts_the_norms_of_a_sparse_encoder(tmp_path: Path) -> None:
    run_processes(SCRIPT.with_name('train_synced.py'), str(tmp_path))
    first, second = (
        torch.load(tmp_path / f'rank{rank}.pth', weights_only=True) for rank in (0, 1)
    )
    changed = 0
    for name, value in first.items():
        # Without synchronisation every process would have statistics of its own.
        assert torch.equal(value, second[name]), name
        changed += 'running_var' in name and bool((value != 1).all())
    assert changed > 0


@backends
@pytest.mark.parametrize('training', [False, True])
def test_one_process_is_plain_batch_norm(backend: SparseBackend, training: bool) -> None:
    visible = torch.tensor([[[1, 0, 1]], [[0, 1, 0]]], dtype=torch.bool)
    images = torch.randn(2, 3, 8, 24, generator=torch.Generator().manual_seed(0))
    plain: Any = nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.BatchNorm2d(4)).train(training)
    synced = convert_sync_batchnorm(copy.deepcopy(plain), 'torch')
    reverted = revert_sync_batchnorm(copy.deepcopy(synced))
    grid = PatchGrid.from_mask(visible, 8)
    expected = backend.encode(plain, images, grid)
    for network in (synced.train(training), reverted.train(training)):
        torch.testing.assert_close(backend.encode(network, images, grid), expected)
        for ours, theirs in zip(network.buffers(), plain.buffers(), strict=True):
            torch.testing.assert_close(ours, theirs)
