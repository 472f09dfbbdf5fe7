"""tools/slurm_train.sh submits, passes signals on and requeues; Slurm is made up."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from videomac.utils import tools_root

SCRIPT = str(tools_root() / 'slurm_train.sh')
ARGUMENTS = ['gpu', 'job', 'a config.py', 'work dir']


def fake(folder: Path, name: str, body: str) -> None:
    """Put a program of Slurm into a folder; it records its arguments."""
    path = folder / name
    record = f'printf "%s\\n" "$@" >> "{folder}/{name}.arguments"'
    path.write_text(f'#!/bin/bash\n{record}\n{body}\n')
    path.chmod(0o755)


def recorded(folder: Path, name: str) -> list[str]:
    """What a program of Slurm was called with."""
    path = folder / f'{name}.arguments'
    return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def slurm(tmp_path: Path) -> Path:
    """Programs of Slurm that do nothing."""
    for name in ('srun', 'sbatch', 'scontrol'):
        fake(tmp_path, name, 'exit 0')
    return tmp_path


def environment(folder: Path, **more: str) -> dict[str, str]:
    """An environment in which these programs are found."""
    outside = {k: v for k, v in os.environ.items() if not k.startswith('SLURM_')}
    return {**outside, 'PATH': f'{folder}{os.pathsep}{os.environ["PATH"]}', **more}


def launch(folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the script."""
    return subprocess.run(
        [SCRIPT, *ARGUMENTS],
        cwd=folder,
        env=environment(folder, **env),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ('status', 'job', 'requeued', 'expected'),
    [
        (75, '7', ['requeue', '7'], 0),
        (75, '', [], 75),
        (1, '7', [], 1),
        (0, '7', [], 0),
    ],
)
def test_requeue(
    slurm: Path, status: int, job: str, requeued: list[str], expected: int
) -> None:
    """Only a run that was asked to stop goes back into the queue, and only as a job."""
    fake(slurm, 'srun', f'exit {status}')
    done = launch(slurm, SLURM_JOB_ID=job)
    assert done.returncode == expected, done.stderr
    assert recorded(slurm, 'scontrol') == requeued


def test_job_that_cannot_be_requeued(slurm: Path) -> None:
    """An interactive one, for example: the status says that it can be resumed."""
    fake(slurm, 'srun', 'exit 75')
    fake(slurm, 'scontrol', 'exit 1')
    assert launch(slurm, SLURM_JOB_ID='7').returncode == 75


def test_time_to_save(slurm: Path) -> None:
    """An allocation of srun's own has a warning before its end; a job has the job's."""
    launch(slurm, SAVE_TIME='60')
    assert '--signal=USR1@60' in recorded(slurm, 'srun')
    (slurm / 'srun.arguments').unlink()
    launch(slurm, SLURM_JOB_ID='7')
    assert not any(each.startswith('--signal') for each in recorded(slurm, 'srun'))


def test_submit(slurm: Path) -> None:
    """The batch job runs the same command, spaces and all, and does not submit again."""
    done = launch(slurm, SUBMIT='1', SBATCH_ARGS='--time=4:00:00 --quiet', GPUS='2')
    assert done.returncode == 0, done.stderr
    arguments = recorded(slurm, 'sbatch')
    options = {
        '--requeue',
        '--signal=USR1@120',
        '--ntasks=2',
        '--time=4:00:00',
        '--quiet',
    }
    assert options <= set(arguments)
    assert recorded(slurm, 'srun') == []
    command = arguments[arguments.index('--wrap') + 1]
    env = environment(slurm, SUBMIT='1', SLURM_JOB_ID='7')
    subprocess.run(['sh', '-c', command], cwd=slurm, env=env, check=True, timeout=60)
    assert {'a config.py', 'work dir'} <= set(recorded(slurm, 'srun'))


@pytest.mark.parametrize('name', ['SIGTERM', 'SIGUSR1'])
def test_signals_reach_srun(slurm: Path, name: str) -> None:
    """And the script waits for it, and knows its status."""
    ready = slurm / 'ready'
    short = name.removeprefix('SIG')
    fake(
        slurm,
        'srun',
        f'trap "sleep 0.3; exit 75" {short}\ntouch "{ready}"\n'
        'for i in $(seq 300); do sleep 0.1; done',
    )
    env = environment(slurm, SLURM_JOB_ID='7')
    script = subprocess.Popen([SCRIPT, *ARGUMENTS], cwd=slurm, env=env)
    try:
        deadline = time.monotonic() + 30
        while not ready.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        script.send_signal(signal.Signals[name])
        assert script.wait(timeout=30) == 0
    finally:
        script.kill()
    assert recorded(slurm, 'scontrol') == ['requeue', '7']


def test_what_a_node_has_to_have(slurm: Path) -> None:
    """GPUs, unless the cluster has none."""
    assert launch(slurm, GPUS='16').returncode == 0
    assert '--gres=gpu:8' in recorded(slurm, 'srun')
    (slurm / 'srun.arguments').unlink()
    assert launch(slurm, GPUS='4', GRES='none').returncode == 0
    asked = recorded(slurm, 'srun')
    assert '--ntasks=4' in asked
    assert not [each for each in asked if each.startswith('--gres')]


@pytest.mark.parametrize('number', ['0', 'arguments', '-1', '2.5'])
def test_gpus_must_be_a_number(slurm: Path, number: str) -> None:
    """Whatever the variable holds, a name of the script's own too."""
    done = launch(slurm, GPUS=number)
    assert done.returncode == 2
    assert f"GPUS must be a positive number, got '{number}'" in done.stderr
    assert not recorded(slurm, 'srun')


@pytest.mark.parametrize('words', [['c.py', '--resume'], ['8', 'c.py'], ['c.py', '0']])
def test_launchers_of_one_machine_want_a_number_too(words: list[str]) -> None:
    """Not torchrun, whose error would not say what was meant."""
    for name, more in (('dist_train.sh', []), ('dist_test.sh', ['none'])):
        command = [str(tools_root() / name), words[0], *more, words[1]]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert f"GPUS must be a positive number, got '{words[1]}'" in done.stderr
