"""Two processes that are stopped or killed end as if nothing had happened."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

from tests.engine.resuming import nested_equal, settings
from videomac.utils import tools_root

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(torch.cuda.is_available(), reason='is about gloo on CPUs'),
]

Launch = Callable[..., subprocess.CompletedProcess[str]]


def write_config(folder: Path, name: str, harm: dict[str, Any] | None = None) -> None:
    """Write the config of a run: statistics that are not shared, gradients that wait."""
    cfg = settings(folder / name)
    cfg['custom_imports'] = dict(imports=['tests.distributed.harm'])
    cfg['train_dataloader'] |= dict(num_workers=1, persistent_workers=True)
    cfg['train_dataloader']['dataset']['length'] = 20
    cfg['optim_wrapper'] = dict(
        type='ScaledOptimWrapper',
        accumulative_counts=4,
        optimizer=dict(type='AdamW', lr=0.1),
    )
    cfg['default_hooks'] |= dict(
        checkpoint=dict(type='VerifiedCheckpointHook', interval=5, by_epoch=False),
        preemption=dict(type='PreemptionHook'),
    )
    cfg['randomness'] = dict(seed=4, diff_rank_seed=True)
    cfg['experiment_name'] = name
    cfg['log_level'] = 'INFO'
    if harm is not None:
        marker = str(folder / f'{name}.marker')
        cfg['custom_hooks'].append(dict(type='HarmHook', marker=marker, **harm))
    Config(cfg).dump(folder / f'{name}.py')


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the runs are."""
    return tmp_path_factory.mktemp('stops')


@pytest.fixture(scope='module')
def launch(folder: Path) -> Launch:
    """Train a config in two processes."""

    def run(name: str, *more: str, **env: str) -> subprocess.CompletedProcess[str]:
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            port = probe.getsockname()[1]
        command = [str(tools_root() / 'dist_train.sh'), str(folder / f'{name}.py'), '2']
        return subprocess.run(
            [*command, *more],
            cwd=folder,
            env={
                **os.environ,
                'PYTHON': sys.executable,
                'PYTHONPATH': str(tools_root().parent),
                'PORT': str(port),
                'OMP_NUM_THREADS': '1',
                **env,
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def result(folder: Path, name: str) -> dict[str, Any]:
    """What a run ended with, in all its processes."""
    saved = torch.load(folder / name / 'iter_15.pth', weights_only=True)
    logged = saved['message_hub']['log_scalars']
    return {
        'scalars': {k: v['log'] for k, v in logged.items() if 'time' not in k},
        'states': saved['exact_resume']['states'],
        **{key: saved[key] for key in ('state_dict', 'optimizer', 'param_schedulers')},
    }


@pytest.fixture(scope='module')
def whole(folder: Path, launch: Launch) -> dict[str, Any]:
    """What a run that nothing happens to ends with."""
    write_config(folder, 'whole')
    done = launch('whole')
    assert done.returncode == 0, done.stderr[-3000:]
    return result(folder, 'whole')


def test_whole_run_is_worth_comparing(whole: dict[str, Any]) -> None:
    """The processes differ in what one checkpoint has to hold for both."""
    first, second = whole['states']
    assert not first['buffers']
    assert any('running_mean' in name for name in second['buffers'])


def test_signal_to_one_process(
    folder: Path, launch: Launch, whole: dict[str, Any]
) -> None:
    """All save, the status is 75, and the resumed run ends bit for bit like the whole.

    Gradients wait for a step at the stop, other ones in each process.
    """
    write_config(folder, 'asked', dict(rank=1, at=6, name='SIGUSR1'))
    stopped = launch('asked', MAX_RESTARTS='2')
    assert stopped.returncode == 75, stopped.stderr[-3000:]
    saved = torch.load(folder / 'asked' / 'iter_7.pth', weights_only=True)
    first, second = (state['gradients'] for state in saved['exact_resume']['states'])
    assert first
    assert any(not torch.equal(first[name], second[name]) for name in first)
    done = launch('asked', '--resume')
    assert done.returncode == 0, done.stderr[-3000:]
    nested_equal(whole, result(folder, 'asked'))


def test_killed_process(folder: Path, launch: Launch, whole: dict[str, Any]) -> None:
    """The run is started again and resumes by itself, not from an earlier run."""
    write_config(folder, 'killed', dict(rank=1, at=8, name='SIGKILL'))
    done = launch('killed', MAX_RESTARTS='1')
    assert done.returncode == 0, done.stderr[-3000:]
    output = done.stdout + done.stderr
    assert 'started again by the scheduler: going on from' in output
    assert 'iter_5.pth' in output
    nested_equal(whole, result(folder, 'killed'))
