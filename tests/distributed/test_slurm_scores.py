"""Tasks of Slurm share the videos of tools/test.py, with and without GPUs."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.distributed.test_nodes import free_port
from tests.distributed.test_slurm_names import environment as no_launcher
from tests.tools.colour_runs import TEST, _network, davis, predictions, run, start
from tests.tools.test_slurm_train import fake
from videomac.utils.distributed import start_sharing_processes

__all__ = ['_network', 'davis', 'no_launcher']  # fixtures


def names(rank: int, tasks: int) -> dict[str, str]:
    """What srun tells a task on one node of so many tasks."""
    return {
        'SLURM_PROCID': str(rank),
        'SLURM_NTASKS': str(tasks),
        'SLURM_LOCALID': str(rank),
        'SLURM_NODELIST': 'localhost',
    }


@pytest.mark.parametrize('tasks', [1, 2])
def test_tasks_are_one_process(davis: Path, tmp_path: Path, tasks: int) -> None:
    """Without GPUs, with the scores and predictions of one process."""
    run(davis, tmp_path / 'one')
    fake(tmp_path, 'scontrol', 'echo localhost')
    command = (sys.executable, TEST, davis, 'none', '--launcher', 'slurm')
    env = {
        'PATH': f'{tmp_path}{os.pathsep}{os.environ["PATH"]}',
        'MASTER_PORT': free_port(),
        'CUDA_VISIBLE_DEVICES': '',
    }
    processes = [
        start(
            *(*command, '--work-dir', tmp_path / 'shared'),
            folder=tmp_path,
            **env,
            **names(rank, tasks),
        )
        for rank in range(tasks)
    ]
    try:
        outputs = [process.communicate(timeout=300)[0] for process in processes]
    except subprocess.TimeoutExpired:
        for process in processes:
            process.kill()
        raise
    assert [process.returncode for process in processes] == [0] * tasks, outputs
    assert ('2 processes' in outputs[0]) == (tasks == 2)
    assert [out.count('a frame\n') > 0 for out in outputs] == [True] * tasks
    assert sum(out.count('a frame\n') for out in outputs) == 3 + 4 + 5 + 6
    assert predictions(tmp_path / 'shared') == predictions(tmp_path / 'one')


def test_each_task_has_its_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its number on the node; where Slurm shows a task its GPU alone, that one."""
    groups: list[Any] = []
    chosen: list[torch.device] = []
    monkeypatch.setattr(
        'torch.distributed.init_process_group',
        lambda backend, timeout: groups.append((backend, timeout > timedelta(days=1))),
    )
    monkeypatch.setattr('torch.cuda.is_available', lambda: True)
    monkeypatch.setattr('torch.cuda.set_device', chosen.append)
    monkeypatch.setenv('LOCAL_RANK', '0')  # the default of --local-rank
    monkeypatch.setenv('MASTER_ADDR', 'node3')
    for name, value in (names(5, 8) | {'SLURM_LOCALID': '2'}).items():
        monkeypatch.setenv(name, value)
    for count, expected in ((4, 2), (1, 0)):
        monkeypatch.setattr('torch.cuda.device_count', lambda count=count: count)
        assert start_sharing_processes('slurm') == torch.device('cuda', expected)
    assert chosen == [torch.device('cuda', 2), torch.device('cuda', 0)]
    assert groups == [('gloo', True)] * 2
    assert os.environ['RANK'] == '5'
