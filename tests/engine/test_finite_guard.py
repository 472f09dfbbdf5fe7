"""Numbers that are not finite end in no weight, buffer, target or checkpoint."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.optim.optimizer import amp_optimizer_wrapper
from torch import Tensor
from torch.amp.grad_scaler import GradScaler

from tests.engine.poison import KINDS, poisoned_run, state_of
from videomac.engine import FiniteGuardHook, NonFiniteError
from videomac.engine.checkpoint_files import newest_intact
from videomac.engine.hooks.finite_guard import all_finite
from videomac.registry import OPTIM_WRAPPERS

ROOT = Path(__file__).parents[2]
GOOD = [f'good:{i}' for i in range(8)]


def train(work_dir: Path, batches: list[str], **options: Any) -> dict[str, Tensor]:
    """Train and return the state at the end."""
    runner = poisoned_run(work_dir, batches, **options)
    runner.train()
    return state_of(runner)


def assert_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    """Compare bit for bit."""
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


@given(st.lists(st.lists(st.floats(width=32), min_size=1), max_size=4))
def test_all_finite_equals_the_sum_of_squares(numbers: list[list[float]]) -> None:
    """In float32, as Adam computes them."""
    with np.errstate(over='ignore', invalid='ignore'):
        squares = [np.square(np.array(row, np.float32)).sum() for row in numbers]
        expected = bool(np.isfinite(np.sum(squares, dtype=np.float32)))
    largest = max((abs(x) for row in numbers for x in row), default=0.0)
    if 1.7e19 < largest < 1.9e19:
        return  # within rounding of the limit
    found = bool(all_finite([torch.tensor(row) for row in numbers]))
    assert found == expected


@pytest.mark.parametrize('kind', KINDS)
def test_a_bad_batch_might_never_have_been(kind: str, tmp_path: Path) -> None:
    """The run ends as one without that batch: weights, optimiser, buffers, target."""
    with warnings.catch_warnings():
        warnings.simplefilter('error', UserWarning)  # of schedulers that count steps
        spoilt = train(tmp_path / 'spoilt', [*GOOD[:3], kind, *GOOD[3:5], kind, GOOD[5]])
    assert_equal(spoilt, train(tmp_path / 'clean', GOOD[:6]))
    assert all(value.isfinite().all() for name, value in spoilt.items() if name != 'mask')


def test_without_the_guard_one_batch_ends_it_all(tmp_path: Path) -> None:
    """What the guard is for."""
    runner = poisoned_run(tmp_path, [GOOD[0], 'input', GOOD[1]], default_hooks={})
    runner.train()
    state = state_of(runner)
    assert state['network.0.weight'].isnan().all()
    assert state['target.1.running_mean'].isnan().all()


@settings(max_examples=8)
@given(st.lists(st.sampled_from([*KINDS, *['good'] * 5]), min_size=2, max_size=8))
def test_accumulated_gradients(
    tmp_path_factory: pytest.TempPathFactory, kinds: list[str]
) -> None:
    """A step with one bad batch of two is as if both had never been."""
    folder = tmp_path_factory.mktemp('run')
    batches = [f'good:{i}' if k == 'good' else k for i, k in enumerate(kinds)]
    batches = batches[: len(batches) // 2 * 2]
    steps = [batches[i : i + 2] for i in range(0, len(batches), 2)]
    clean = [b for step in steps for b in step if all(k in GOOD for k in step)]
    wrapper = dict(accumulative_counts=2, clip_grad=dict(max_norm=0.1))
    options: dict[str, Any] = dict(wrapper=wrapper, max_skips=9)
    spoilt = train(folder / 'spoilt', [*batches, *GOOD[:2]], **options)
    assert_equal(spoilt, train(folder / 'clean', [*clean, *GOOD[:2]], **options))


def stop_and_resume(folder: Path, batches: list[str], after: int, **options: Any) -> Any:
    """Train, but go on in another run from the checkpoint after some iterations."""
    poisoned_run(folder, batches, **options).train()
    return resumed(folder, batches, after, **options)


def resumed(folder: Path, batches: list[str], after: int, **options: Any) -> Any:
    """Go on from the checkpoint after some iterations to the end."""
    path = str(folder / f'iter_{after}.pth')
    # mmengine keeps one message hub for runs of one name and second.
    name = f'{folder.parent.name}-{folder.name}-again'
    options |= dict(resume=True, load_from=path, experiment_name=name)
    runner = poisoned_run(folder, batches, **options)
    runner.train()
    return runner


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('place', [2, 3])
def test_a_stop_between_accumulated_batches(
    kind: str, place: int, tmp_path: Path
) -> None:
    """A bad batch before or after it: both batches might never have been."""
    batches = GOOD[:6]
    batches[place] = kind
    options: dict[str, Any] = dict(wrapper=dict(accumulative_counts=2))
    again = stop_and_resume(tmp_path / 'spoilt', batches, 3, **options)
    assert again.message_hub.get_info('finite_guard') == dict(total=1, in_a_row=0)
    clean = [*GOOD[:2], *GOOD[4:6]]
    assert_equal(state_of(again), train(tmp_path / 'clean', clean, **options))


def test_checkpoints_without_the_state_of_a_step(tmp_path: Path) -> None:
    """Those of before go on as they did."""
    options: dict[str, Any] = dict(wrapper=dict(accumulative_counts=2))
    whole = train(tmp_path, GOOD[:4], **options)
    path = tmp_path / 'iter_3.pth'
    saved = torch.load(path, weights_only=True)
    assert saved['exact_resume']['states'][0].pop('step')['batches']
    torch.save(saved, path)
    assert_equal(state_of(resumed(tmp_path, GOOD[:4], 3, **options)), whole)


def test_a_checkpoint_between_accumulated_batches_is_finite(tmp_path: Path) -> None:
    """It is saved after the bad forward pass and before the step."""
    wrapper = dict(accumulative_counts=2)
    train(tmp_path, ['input', *GOOD[:3]], wrapper=wrapper)
    saved = torch.load(tmp_path / 'iter_1.pth', weights_only=True)['state_dict']
    assert all(value.isfinite().all() for name, value in saved.items() if name != 'mask')


@pytest.mark.parametrize(
    'clip', [None, dict(max_norm=0.1), dict(type='value', clip_value=1)]
)
def test_with_bfloat16_and_clipping(clip: dict[str, Any] | None, tmp_path: Path) -> None:
    wrapper = dict(type='BFloat16OptimWrapper', clip_grad=clip)
    spoilt = train(tmp_path / 'spoilt', [GOOD[0], *KINDS[:3], GOOD[1]], wrapper=wrapper)
    assert_equal(spoilt, train(tmp_path / 'clean', GOOD[:2], wrapper=wrapper))


@pytest.fixture
def amp_on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let mmengine's wrapper with loss scaling work without a GPU."""
    monkeypatch.setattr(amp_optimizer_wrapper, 'is_cuda_available', lambda: True)
    scaler = partial(GradScaler, 'cpu')
    monkeypatch.setattr(amp_optimizer_wrapper, 'GradScaler', scaler)


@pytest.mark.usefixtures('amp_on_cpu')
def test_loss_scaling_looks_for_its_scale(tmp_path: Path) -> None:
    """Overflow of a scaled gradient halves the scale; a bad loss leaves it alone."""
    wrapper = dict(type='AmpOptimWrapper', loss_scale=dict(init_scale=2.0**3))
    batches = [GOOD[0], 'gradient', 'gradient', GOOD[1], 'loss', GOOD[2]]
    runner = poisoned_run(tmp_path / 'spoilt', batches, wrapper=wrapper, max_skips=1)
    runner.train()
    assert runner.optim_wrapper.loss_scaler.get_scale() == 2.0
    assert runner.message_hub.get_info('finite_guard') == dict(total=1, in_a_row=0)
    clean = train(tmp_path / 'clean', GOOD[:3], wrapper=wrapper)
    for name, value in state_of(runner).items():
        if 'extra' in name or 'running' in name or 'num_batches' in name:
            continue  # the forward passes of overflows were finite
        torch.testing.assert_close(value, clean[name], rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures('amp_on_cpu')
def test_a_bad_loss_before_a_stop_is_no_search(tmp_path: Path) -> None:
    """The gradient that waits tells nothing of the loss; the scale stays."""
    wrapper = dict(
        type='AmpOptimWrapper', loss_scale=dict(init_scale=8.0), accumulative_counts=2
    )
    batches = [*GOOD[:2], 'input', *GOOD[2:5]]
    again = stop_and_resume(tmp_path, batches, 3, wrapper=wrapper)
    assert again.optim_wrapper.loss_scaler.get_scale() == 8.0
    assert again.message_hub.get_info('finite_guard') == dict(total=1, in_a_row=0)


@pytest.mark.usefixtures('amp_on_cpu')
@pytest.mark.parametrize('loss_scale', [dict(init_scale=4.0), 512.0])
def test_loss_scaling_that_finds_none_ends(loss_scale: Any, tmp_path: Path) -> None:
    """Below one, or with a fixed scale, overflows are nobody's search."""
    wrapper = dict(type='AmpOptimWrapper', loss_scale=loss_scale)
    runner = poisoned_run(tmp_path, ['gradient'] * 8, wrapper=wrapper, max_skips=1)
    with pytest.raises(NonFiniteError):
        runner.train()
    assert runner.iter == (3 if isinstance(loss_scale, dict) else 1)


def test_too_many_in_a_row_end_with_a_report(tmp_path: Path) -> None:
    """It names the samples; the checkpoint before stays the newest, and is finite."""
    bad = ['loss', 'input', 'loss']
    batches = [*GOOD[:2], 'gradient', 'loss', GOOD[2], *bad, GOOD[3]]
    runner = poisoned_run(tmp_path, batches, max_skips=2)
    with pytest.raises(NonFiniteError, match=r'iteration 8.*nonfinite_iter_8') as caught:
        runner.train()
    assert 'iter_7.pth' in str(caught.value)
    assert newest_intact(tmp_path) == str(tmp_path / 'iter_7.pth')
    saved = torch.load(tmp_path / 'iter_7.pth', weights_only=True)
    clean = train(tmp_path / 'clean', GOOD[:3])
    for name, value in saved['state_dict'].items():
        assert torch.equal(value, clean[name]), name

    report = json.loads((tmp_path / 'nonfinite_iter_8' / 'rank0.json').read_text())
    assert [step['iteration'] for step in report['skipped_steps']] == [6, 7, 8]
    assert [step['reasons'] for step in report['skipped_steps']] == [
        ['loss'],
        ['loss', 'gradient'],
        ['loss'],
    ]
    middle = report['skipped_steps'][1]
    assert 'network.0.weight' in middle['gradients']
    (batch,) = middle['batches']
    assert [sample['path'] for sample in batch['samples']] == [
        'input_12.jpg',
        'input_13.jpg',
    ]
    assert np.isnan(batch['loss'])
    assert 'train/lr' in middle['scalars']
    assert "type='PoisonableModel'" in report['config']
    arrays = np.load(tmp_path / 'nonfinite_iter_8' / 'rank0.npz')
    np.testing.assert_array_equal(
        arrays['inputs'][1], runner.train_dataloader.dataset[15]['inputs'].numpy()
    )


def test_counts_survive_a_resume(tmp_path: Path) -> None:
    """Two skipped steps, a stop, and one more are three in a row."""
    batches = [GOOD[0], 'loss', 'loss', 'loss', GOOD[1]]
    with pytest.raises(NonFiniteError):
        poisoned_run(tmp_path, batches, max_skips=2).train()
    found = newest_intact(tmp_path)
    assert found == str(tmp_path / 'iter_3.pth')
    again = poisoned_run(tmp_path, batches, max_skips=2, resume=True, load_from=found)
    with pytest.raises(NonFiniteError, match=r'3 optimiser steps in a row.*--no-amp'):
        again.train()
    assert again.iter == 3


def test_bad_weights_are_not_saved(tmp_path: Path) -> None:
    """However they came to be."""
    runner = poisoned_run(tmp_path, GOOD[:4])
    wrapped = OPTIM_WRAPPERS.get('OptimWrapper').step

    def spoil(self: Any, **kwargs: Any) -> None:
        wrapped(self, **kwargs)
        if runner.iter == 2:
            runner.model.network[0].bias.data[3] = float('nan')

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OPTIM_WRAPPERS.get('OptimWrapper'), 'step', spoil)
        with pytest.raises(NonFiniteError, match=r'network\.0\.bias.*iter_2\.pth'):
            runner.train()
    assert newest_intact(tmp_path) == str(tmp_path / 'iter_2.pth')
    assert not (tmp_path / 'iter_3.pth').exists()


def test_two_processes_skip_together(tmp_path: Path) -> None:
    """A batch that is bad in one process only; each kind once."""
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone']
    command += [
        '--nproc_per_node=2',
        '-m',
        'tests.engine.poison_processes',
        str(tmp_path),
    ]
    env = os.environ | {'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    for rank in range(2):
        spoilt, clean = (
            torch.load(tmp_path / f'{name}_{rank}.pth', weights_only=True)
            for name in ('spoilt', 'clean')
        )
        assert_equal(spoilt, clean)


def test_bad_arguments(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='max_skips'):
        FiniteGuardHook(max_skips=-1)
    runner = poisoned_run(tmp_path, GOOD[:2])
    runner.optim_wrapper = dict(one=1)
    with pytest.raises(TypeError, match='finite_guard=None'):
        FiniteGuardHook().before_train(runner)
