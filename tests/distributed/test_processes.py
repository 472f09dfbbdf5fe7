"""Several gloo processes train as one."""

import os
import subprocess
import sys
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name('train_tiny.py')


def train(work_dir: Path, processes: int, batch_size: int) -> list[dict[str, Tensor]]:
    """Train in so many processes and return the state that each ended with."""
    work_dir.mkdir()
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone']
    command += [
        f'--nproc_per_node={processes}',
        str(SCRIPT),
        str(work_dir),
        str(batch_size),
    ]
    env = os.environ | {'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [
        torch.load(work_dir / f'rank{rank}_of_{processes}.pth', weights_only=True)
        for rank in range(processes)
    ]


def test_two_processes_agree_and_equal_one_with_the_same_batch(tmp_path: Path) -> None:
    (alone,) = train(tmp_path / 'one', processes=1, batch_size=4)
    first, second = train(tmp_path / 'two', processes=2, batch_size=2)
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
        torch.testing.assert_close(value, alone[name], rtol=1e-5, atol=1e-6)
    lag = (alone['target.decoder.pred.bias'] - alone['decoder.pred.bias']).abs().max()
    assert lag > 1e-5, 'the run did not train: the target is where the online network is'
