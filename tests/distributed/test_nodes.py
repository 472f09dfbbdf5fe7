"""Two machines, acted by torchrun agents or tasks of Slurm, train as one process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from torch import Tensor

from tests.distributed.train_tiny import settings
from tests.tools.test_slurm_train import environment, fake
from videomac.utils import tools_root

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(torch.cuda.is_available(), reason='is about gloo on CPUs'),
]

#: Seconds after which processes are held to hang.
LIMIT = 1200


def free_port() -> str:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return str(probe.getsockname()[1])


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the runs are."""
    return tmp_path_factory.mktemp('nodes')


def write_config(folder: Path, name: str, world: int) -> Path:
    """Write the config of a run; its global batch does not depend on the processes."""
    cfg = settings(folder, world, 'accumulated')
    cfg['launcher'] = 'none'
    cfg['work_dir'] = str(folder / name)
    cfg['experiment_name'] = name
    cfg['default_hooks']['checkpoint'] = dict(
        type='VerifiedCheckpointHook',
        interval=cfg['train_cfg']['max_iters'],
        by_epoch=False,
    )
    cfg['custom_imports'] = dict(imports=['tests.distributed.masks'])
    Config(cfg).dump(folder / f'{name}.py')
    return folder / f'{name}.py'


def variables(**more: str) -> dict[str, str]:
    """The environment of a launcher."""
    return {
        **os.environ,
        'PYTHON': sys.executable,
        'PYTHONPATH': str(tools_root().parent),
        'OMP_NUM_THREADS': '1',
        **more,
    }


def result(folder: Path, name: str) -> dict[str, Tensor]:
    """The weights that a run ended with."""
    (path,) = (folder / name).glob('iter_*.pth')
    weights: dict[str, Tensor] = torch.load(path, weights_only=True)['state_dict']
    return weights


@pytest.fixture(scope='module')
def alone(folder: Path) -> dict[str, Tensor]:
    """What one process ends with."""
    config = write_config(folder, 'alone', 1)
    command = [sys.executable, str(tools_root() / 'train.py'), str(config)]
    done = subprocess.run(
        command, cwd=folder, env=variables(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return result(folder, 'alone')


def compare(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """All weights are equal, in fp32."""
    assert found.keys() == expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-6, atol=1e-6)


def test_two_agents_of_two_processes(folder: Path, alone: dict[str, Tensor]) -> None:
    """tools/dist_train.sh on each of two machines."""
    config = write_config(folder, 'agents', 4)
    port = free_port()
    logs = [folder / f'agent{node}.log' for node in range(2)]
    agents = []
    for node, log in enumerate(logs):
        env = variables(
            NNODES='2', NODE_RANK=str(node), MASTER_ADDR='127.0.0.1', PORT=port
        )
        env['LOGLEVEL'] = 'INFO'  # the agents tell where they are
        with log.open('w') as output:
            agents.append(
                subprocess.Popen(
                    [str(tools_root() / 'dist_train.sh'), str(config), '2'],
                    cwd=folder,
                    env=env,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            )
    try:
        # Forty seconds on two free cores; ten times that where others need the cores.
        status = [agent.wait(timeout=LIMIT) for agent in agents]
    except subprocess.TimeoutExpired:
        told = '\n'.join(log.read_text() for log in logs)
        pytest.fail(f'{told[-5000:]}\nThe agents did not end in {LIMIT} s')
    finally:
        for agent in agents:
            agent.terminate()  # the script passes it on
    outputs = [log.read_text() for log in logs]
    assert status == [0, 0], '\n'.join(outputs)[-5000:]
    assert '4 processes train on the CPU (gloo)' in outputs[0]
    compare(result(folder, 'agents'), alone)


#: Starts the tasks as srun does; its status is the highest of theirs.
SRUN = """
while [[ $1 == --* ]]; do
    case $1 in --ntasks=*) tasks=${1#*=} ;; --ntasks-per-node=*) each=${1#*=} ;; esac
    shift
done
for ((task = 0; task < tasks; task++)); do
    SLURM_PROCID=$task SLURM_NTASKS=$tasks SLURM_LOCALID=$((task % each)) \\
        SLURM_NODEID=$((task / each)) SLURM_NODELIST='localhost' "$@" &
    pids+=($!)
done
status=0
for pid in "${pids[@]}"; do wait "$pid" || status=$?; done
exit $status
"""


def test_tasks_of_slurm(folder: Path, alone: dict[str, Tensor]) -> None:
    """tools/slurm_train.sh with two tasks, one on each of two nodes."""
    config = write_config(folder, 'tasks', 2)
    programs = folder / 'slurm'
    programs.mkdir()
    fake(programs, 'srun', SRUN)
    fake(programs, 'scontrol', 'echo localhost')
    more = variables(GPUS='2', GPUS_PER_NODE='1', MASTER_PORT=free_port())
    done = subprocess.run(
        [str(tools_root() / 'slurm_train.sh'), 'cpu', 'job', str(config), 'tasks'],
        cwd=folder,
        env=environment(programs, **{k: v for k, v in more.items() if k != 'PATH'}),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert '2 processes train on the CPU (gloo)' in done.stdout + done.stderr
    compare(result(folder, 'tasks'), alone)
