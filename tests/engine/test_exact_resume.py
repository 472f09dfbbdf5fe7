"""N iterations, a stop and M more equal N + M iterations, bit for bit."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.runner import Runner

from tests.engine.resuming import (
    StoppedError,
    batches,
    final_state,
    nested_equal,
    scalars,
    settings,
    train,
)
from tests.engine.tiny import runner_config
from videomac.engine import ResumeError
from videomac.utils.randomness import mixed_seed

ITERATIONS = dict(type='IterBasedTrainLoop', max_iters=15)
ACCUMULATION = dict(
    type='ScaledOptimWrapper',
    accumulative_counts=4,
    optimizer=dict(type='AdamW', lr=0.1),
)


def loader(**changes: Any) -> dict[str, Any]:
    """The loader of the training with keys replaced."""
    result: dict[str, Any] = settings(Path())['train_dataloader'] | changes
    return result


def check(tmp_path: Path, stop: int, **changes: Any) -> tuple[Runner, Runner]:
    """Train with and without a stop and compare everything."""
    whole = train(tmp_path / 'whole', **changes)
    # Nobody gave a seed: the parts must go on with the one that was drawn at first.
    seed = whole.seed
    first = train(tmp_path / 'parts', stop, randomness=dict(seed=seed), **changes)
    second = train(tmp_path / 'parts', resume=True, **changes)
    nested_equal(final_state(whole), final_state(second))
    nested_equal(batches(whole), batches(first) + batches(second))
    assert len(batches(whole)) == len(scalars(whole)['train/loss']) == 15
    return first, second


@pytest.mark.parametrize('stop', [1, 5, 7, 15])
def test_epochs(tmp_path: Path, stop: int) -> None:
    """At epochs' ends (5, 15) and in their middle; nothing skipped is read again."""
    _, resumed = check(tmp_path, stop)
    assert len(resumed.train_dataloader.dataset.read) == 2 * (15 - stop)


@pytest.mark.parametrize('stop', [5, 7])
@pytest.mark.parametrize('sampler', ['DefaultSampler', 'InfiniteSampler'])
def test_iterations(tmp_path: Path, stop: int, sampler: str) -> None:
    """The loop over iterations, with passes over the data and with an endless one."""
    data = loader(sampler=dict(type=sampler, shuffle=True))
    _, resumed = check(tmp_path, stop, train_cfg=ITERATIONS, train_dataloader=data)
    assert len(resumed.train_dataloader.dataset.read) == 2 * (15 - stop)


@pytest.mark.parametrize('stop', [8, 10])
def test_between_steps_with_scaled_gradients(tmp_path: Path, stop: int) -> None:
    """Gradients that wait for a step, and the scaler of mixed precision, survive."""
    check(tmp_path, stop, optim_wrapper=ACCUMULATION)
    saved = torch.load(tmp_path / 'parts' / f'iter_{stop}.pth', weights_only=True)
    waiting = saved['exact_resume']['states'][0]['gradients']
    assert bool(waiting) == (stop % 4 != 0)
    assert saved['optimizer']['scaler']['scale'] > 8


@pytest.mark.parametrize('persistent', [True, False])
def test_workers(tmp_path: Path, persistent: bool) -> None:
    """The run and its parts, with two workers, equal a run without any."""
    data = loader(num_workers=2, persistent_workers=persistent)
    _, resumed = check(tmp_path, 7, train_dataloader=data)
    alone = train(tmp_path / 'alone', randomness=dict(seed=resumed.seed))
    nested_equal(final_state(alone), final_state(resumed))


def test_checkpoints_of_epochs(tmp_path: Path) -> None:
    """The usual checkpoints, by epoch; what was trained after the last one is lost."""
    hooks = settings(tmp_path)['default_hooks']
    hooks['checkpoint'] = dict(type='VerifiedCheckpointHook', interval=1)
    whole = train(tmp_path / 'whole', default_hooks=hooks)
    seed = dict(seed=whole.seed)
    train(tmp_path / 'parts', 12, randomness=seed, default_hooks=hooks)
    second = train(tmp_path / 'parts', resume=True, default_hooks=hooks)
    nested_equal(final_state(whole), final_state(second))
    nested_equal(batches(whole)[10:], batches(second))


@pytest.mark.parametrize('by_epoch', [True, False])
def test_validation_that_was_due(tmp_path: Path, by_epoch: bool) -> None:
    """A run that stops before the validation of an epoch resumes with it."""
    results = dict(type='mmengine.DumpResults', out_file_path=str(tmp_path / 'all.pkl'))
    hooks = settings(tmp_path)['default_hooks']
    hooks['checkpoint']['by_epoch'] = by_epoch
    changes = dict(
        val_dataloader=loader(sampler=dict(type='DefaultSampler', shuffle=False)),
        val_cfg=dict(),
        val_evaluator=results,
        default_hooks=hooks,
    )
    validated: list[int] = []

    def count(runner: Runner) -> None:
        call_hook = runner.call_hook

        def counting(name: str, **kwargs: Any) -> None:
            if name == 'after_val':
                validated.append(runner.iter)
            call_hook(name, **kwargs)

        runner.call_hook = counting

    train(tmp_path, -10, prepare=count, **changes)
    assert validated == [5]
    train(tmp_path, resume=True, prepare=count, **changes)
    assert validated == [5, 10, 15]


def test_the_method_itself(tmp_path: Path) -> None:
    """VideoMAC with its masks and its target network, dropping paths at random."""

    def run(name: str, resume: bool = False, stop: int | None = None) -> Runner:
        cfg = runner_config(tmp_path / name.split('-')[0], iterations=4)
        cfg['experiment_name'] = name
        cfg['model']['encoder']['drop_path_rate'] = 0.3
        cfg['train_dataloader']['sampler']['shuffle'] = True
        cfg['default_hooks']['exact_resume'] = dict(type='ExactResumeHook')
        cfg['default_hooks']['checkpoint'] = dict(
            type='VerifiedCheckpointHook', interval=1, by_epoch=False
        )
        cfg['custom_hooks'].append(dict(type='StopHook', after=stop))
        cfg['resume'] = resume
        runner = Runner.from_cfg(cfg)
        with nullcontext() if stop is None else pytest.raises(StoppedError):
            runner.train()
        return runner

    whole = run('whole')
    run('parts-1', stop=2)
    resumed = run('parts-2', resume=True)
    nested_equal(whole.model.state_dict(), resumed.model.state_dict())
    nested_equal(scalars(whole), scalars(resumed))


def test_ranks_draw_differently() -> None:
    """The seed of an iteration depends on the rank; that of a sample on its place."""
    seeds = {mixed_seed(0, 'iteration', i, rank) for i in range(50) for rank in range(8)}
    assert len(seeds) == 400


def test_changed_config_is_reported(tmp_path: Path) -> None:
    """One line for each key with old and new value, and no other."""
    train(tmp_path, 5)
    optimizer = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.2, eps=1e-6))
    messages: list[str] = []

    def listen(runner: Runner) -> None:
        runner.logger.warning = messages.append

    train(tmp_path, resume=True, prepare=listen, optim_wrapper=optimizer)
    (report,) = [m for m in messages if 'config other' in m]
    lines = report.splitlines()[1:]
    assert '  optim_wrapper.optimizer.lr: 0.1 -> 0.2' in lines
    assert '  optim_wrapper.optimizer.eps: (absent) -> 1e-06' in lines
    assert not any('model' in line or 'resume:' in line for line in lines)


def test_other_batch_size_is_refused(tmp_path: Path) -> None:
    """Iterations would mean something else."""
    train(tmp_path, 5)
    with pytest.raises(ResumeError, match=r'batch of 2 each.*with 5.*batch_size to 2 /'):
        train(tmp_path, resume=True, train_dataloader=loader(batch_size=5))


def test_other_data_is_refused_in_the_middle(tmp_path: Path) -> None:
    """At the end of an epoch it is reported instead."""
    more = loader(dataset=dict(type='JitteredPoints', length=12))
    train(tmp_path / 'middle', 7)
    with pytest.raises(ResumeError, match=r'had 10 samples and has 12 now.*batch 2'):
        train(tmp_path / 'middle', resume=True, train_dataloader=more)
    hooks = settings(tmp_path)['default_hooks']
    hooks['checkpoint'] = dict(type='CheckpointHook', interval=1)
    train(tmp_path / 'end', 7, default_hooks=hooks)
    messages: list[str] = []

    def listen(runner: Runner) -> None:
        runner.logger.warning = messages.append

    done = train(
        tmp_path / 'end',
        resume=True,
        prepare=listen,
        default_hooks=hooks,
        train_dataloader=more,
    )
    assert any('samples 10 -> 12' in message for message in messages)
    assert len(batches(done)) == 2 * 6


def test_weights_alone_cannot_be_resumed(tmp_path: Path) -> None:
    """The message says what to do instead."""
    runner = train(tmp_path, 1)
    torch.save({'state_dict': runner.model.state_dict()}, tmp_path / 'weights.pth')
    with pytest.raises(ResumeError, match='set load_from'):
        train(tmp_path, resume=True, load_from=str(tmp_path / 'weights.pth'))


def test_no_code_in_the_config_of_a_checkpoint(tmp_path: Path) -> None:
    """Mmengine would run `config` of its meta data."""
    train(tmp_path, 5)
    path = tmp_path / 'iter_5.pth'
    checkpoint = torch.load(path, weights_only=True)
    proof = tmp_path / 'executed'
    checkpoint['meta']['config'] = f'open({str(proof)!r}, "w").close()'
    torch.save(checkpoint, path)
    train(tmp_path, resume=True)
    assert not proof.exists()


def test_checkpoint_without_the_hook(tmp_path: Path) -> None:
    """Checkpoints of before resume at the right place, and it is said what is missing."""
    hooks = settings(tmp_path)['default_hooks']
    del hooks['exact_resume']
    train(tmp_path, 7, default_hooks=hooks, train_cfg=ITERATIONS)
    messages: list[str] = []

    def listen(runner: Runner) -> None:
        runner.logger.warning = messages.append

    done = train(tmp_path, resume=True, prepare=listen, train_cfg=ITERATIONS)
    assert any('saved without ExactResumeHook' in message for message in messages)
    assert len(done.train_dataloader.dataset.read) == 2 * 8
