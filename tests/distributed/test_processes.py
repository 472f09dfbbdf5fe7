"""Several gloo processes train as one."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.distributed.train_tiny import PASSES, RUNS, STEPS

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name('train_tiny.py')

#: What each process ended with: state and traffic by the name of the run.
Found = list[dict[str, dict[str, Any]]]
Train = Callable[[int], tuple[Found, list[dict[str, list[list[int]]]]]]

several = pytest.mark.parametrize(
    'processes', [2, pytest.param(4, marks=pytest.mark.slow)]
)


@pytest.fixture(scope='module')
def train(tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Train in so many processes, once."""
    kept: dict[int, tuple[Found, list[dict[str, list[list[int]]]]]] = {}

    def run(processes: int) -> tuple[Found, list[dict[str, list[list[int]]]]]:
        if processes not in kept:
            work_dir = tmp_path_factory.mktemp(f'processes{processes}')
            kept[processes] = launch(work_dir, processes)
        return kept[processes]

    return run


def launch(
    work_dir: Path, processes: int
) -> tuple[Found, list[dict[str, list[list[int]]]]]:
    """Run the script and read what its processes saved."""
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone']
    command += [f'--nproc_per_node={processes}', str(SCRIPT), str(work_dir)]
    env = os.environ | {'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    files = [work_dir / f'rank{rank}_of_{processes}' for rank in range(processes)]
    states = [torch.load(f'{file}.pth', weights_only=True) for file in files]
    return states, [json.loads(Path(f'{file}.json').read_text()) for file in files]


@several
@pytest.mark.parametrize('name', ['plain', 'accumulated', 'checkpointed'])
def test_processes_equal_one_with_the_same_batch(
    train: Train, processes: int, name: str
) -> None:
    """All weights, the target network's too, with gradients accumulated or not."""
    (alone,), _ = train(1)
    found, _ = train(processes)
    expected = alone['plain']['state']
    for key, value in found[0][name]['state'].items():
        assert all(torch.equal(value, each[name]['state'][key]) for each in found), key
        torch.testing.assert_close(value, expected[key], rtol=1e-6, atol=1e-6)
    lag = expected['target.decoder.pred.bias'] - expected['decoder.pred.bias']
    assert lag.abs().max() > 1e-3, 'the run did not train: the target is where it was'


def test_accumulated_batches_equal_a_whole_one(train: Train) -> None:
    (alone,), _ = train(1)
    for key, expected in alone['plain']['state'].items():
        found = alone['accumulated']['state'][key]
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


@several
def test_mixed_precision(train: Train, processes: int) -> None:
    """Processes agree to the last bit, and with one process as far as bfloat16 goes."""
    (alone,), _ = train(1)
    found, _ = train(processes)
    exact, rough = alone['plain']['state'], alone['bfloat16']['state']
    off = max(float((exact[key] - rough[key]).abs().max()) for key in exact)
    assert off > 1e-5, 'nothing ran in bfloat16'
    for key, value in found[0]['bfloat16']['state'].items():
        assert value.dtype == torch.float32
        same = (torch.equal(value, each['bfloat16']['state'][key]) for each in found)
        assert all(same), key
        torch.testing.assert_close(value, rough[key], rtol=0, atol=3 * off)


@several
def test_maps_that_no_loss_sees(train: Train, processes: int) -> None:
    """Of several maps the last counts; the norms of the others stay as they were made."""
    found, _ = train(processes)
    for each in found:
        plain, state = each['plain']['state'], each['several maps']['state']
        assert state.keys() > plain.keys()
        for key, value in state.items():
            made = torch.full_like(value, float(key.endswith('weight')))
            torch.testing.assert_close(value, plain.get(key, made), rtol=1e-6, atol=1e-6)


@several
@pytest.mark.parametrize('name', list(RUNS))
def test_gradients_travel_once_a_step(train: Train, processes: int, name: str) -> None:
    """In fp32, and not for the target network nor for batches that only accumulate."""
    found, _ = train(processes)
    trainable = sum(
        value.numel()
        for key, value in found[0][name]['state'].items()
        if key.startswith(('encoder.', 'decoder.'))
    )
    assert {each[name]['sent'] for each in found} == {STEPS * trainable * 4}


@several
@pytest.mark.parametrize(('length', 'size'), PASSES)
def test_every_sample_is_dealt_out(
    train: Train, processes: int, length: int, size: int
) -> None:
    """Once each; the first of the order again until all processes have as many."""
    _, dealt = train(processes)
    shares = [list(chain(*each[f'{length},{size},False'])) for each in dealt]
    assert {len(share) for share in shares} == {-(-length // processes)}
    counts = Counter(index for share in shares for index in share)
    assert set(counts) == set(range(length))
    order = [shares[k % processes][k // processes] for k in range(length)]
    again = Counter(order[: -length % processes])
    assert counts == Counter(range(length)) + again
    # What is dropped is an incomplete batch of each process, and no more.
    full = [list(chain(*each[f'{length},{size},True'])) for each in dealt]
    whole = -(-length // processes) // size * size
    assert full == [share[:whole] for share in shares]
