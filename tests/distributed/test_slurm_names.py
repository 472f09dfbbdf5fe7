"""A task of Slurm learns who it is from the environment, without GPUs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.tools.test_slurm_train import fake, recorded
from videomac.utils.distributed import prepare_cpu_processes

TASK = {
    'SLURM_PROCID': '0',
    'SLURM_NTASKS': '1',
    'SLURM_LOCALID': '0',
    'SLURM_NODELIST': 'node[3-4]',
}
NAMES = ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT')


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No GPU, no launcher."""
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    for name in (*NAMES, *TASK):
        monkeypatch.setenv(name, '')  # so that it is put back
        monkeypatch.delenv(name)


def test_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first node of the list has the store; an address that is given stays."""
    groups: list[str] = []
    monkeypatch.setattr('videomac.utils.distributed._init_group', groups.append)
    monkeypatch.setattr('torch.distributed.get_world_size', lambda: 6)
    fake(tmp_path, 'scontrol', 'printf "node3\\nnode4\\n"')
    monkeypatch.setenv('PATH', f'{tmp_path}{os.pathsep}{os.environ["PATH"]}')
    task = TASK | {'SLURM_PROCID': '5', 'SLURM_NTASKS': '6', 'SLURM_LOCALID': '2'}
    for name, value in task.items():
        monkeypatch.setenv(name, value)
    assert prepare_cpu_processes({'launcher': 'slurm'})
    assert groups == ['gloo']
    assert [os.environ[name] for name in NAMES] == ['5', '6', '2', 'node3', '29500']
    assert recorded(tmp_path, 'scontrol') == ['show', 'hostname', 'node[3-4]']
    os.environ['MASTER_ADDR'] = 'elsewhere'
    prepare_cpu_processes({'launcher': 'slurm'})
    assert os.environ['MASTER_ADDR'] == 'elsewhere'


def test_no_task_of_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is named."""
    monkeypatch.setenv('SLURM_PROCID', '0')
    with pytest.raises(RuntimeError, match='srun starts, but SLURM_NTASKS, SLURM_LOC'):
        prepare_cpu_processes({'launcher': 'slurm'})
