"""Schedules are what a real Runner logs, to the last bit of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from tests.engine.tiny import runner_config
from videomac.engine.hooks.target_ema import TargetEMAHook, momentum_at
from videomac.engine.schedules import batches_per_epoch, schedules
from videomac.utils import find_config, merge_options
from videomac.visualization.run_log import read_run

BATCHES = 3
LOOPS: dict[str, dict[str, Any]] = {
    'epochs': dict(type='EpochBasedTrainLoop', max_epochs=4),
    'iterations': dict(type='IterBasedTrainLoop', max_iters=11),
}
SCHEDULERS: dict[str, list[dict[str, Any]]] = {
    'by iteration': [
        dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=4),
        dict(type='CosineAnnealingLR', T_max=7, by_epoch=False, begin=4),
    ],
    'converted': [
        dict(type='LinearLR', start_factor=0.1, end=1, convert_to_iter_based=True),
        dict(
            type='CosineAnnealingLR', T_max=3, begin=1, end=4, convert_to_iter_based=True
        ),
    ],
    'by epoch': [dict(type='MultiStepLR', milestones=[1, 3], by_epoch=True, gamma=0.5)],
}


@pytest.mark.parametrize('loop', LOOPS)
@pytest.mark.parametrize('kind', SCHEDULERS)
def test_against_a_real_run(tmp_path: Path, loop: str, kind: str) -> None:
    if loop == 'iterations' and kind == 'by epoch':
        pytest.skip('an iteration-based loop has no epochs to count')
    cfg = runner_config(tmp_path, 1)
    cfg['train_cfg'] = LOOPS[loop]
    cfg['param_scheduler'] = SCHEDULERS[kind]
    cfg['train_dataloader']['dataset'] = dict(type='NoiseFrames', length=2 * BATCHES)
    cfg['default_hooks']['logger'] = dict(type='LoggerHook', interval=1)
    cfg['log_processor'] = dict(by_epoch=loop == 'epochs')
    cfg['custom_hooks'] = [dict(type='TargetEMAHook', momentum=0.9)]
    expected = schedules(cfg, BATCHES)
    runner = Runner.from_cfg(cfg)
    runner.train()
    logged = read_run(tmp_path)
    assert set(expected) == {'lr', 'target_momentum'}
    for name, values in expected.items():
        steps, found = zip(*logged[name], strict=True)
        assert steps == tuple(range(1, runner.max_iters + 1))
        assert values == list(found)
    assert len(set(expected['lr'])) > 2


@pytest.mark.parametrize(
    'kind',
    ['TargetEMAHook', 'videomac.TargetEMAHook', TargetEMAHook],
    ids=['name', 'name in a scope', 'class'],
)
def test_target_momentum_however_the_hook_is_named(tmp_path: Path, kind: Any) -> None:
    """Configs of pure Python have the class; a type of another hook is no target's."""
    cfg = runner_config(tmp_path, 1)
    cfg['custom_hooks'] = [dict(type='NumClassCheckHook'), dict(type=kind, momentum=0.9)]
    found = schedules(cfg, BATCHES)['target_momentum']
    total = len(found)
    assert found == [momentum_at(i, total, momentum=0.9) for i in range(total)]
    cfg['custom_hooks'] = [dict(type='EMAHook'), dict(type='MyTargetEMAHook')]
    assert set(schedules(cfg, BATCHES)) == {'lr'}


@pytest.mark.parametrize('samples', [5, 8, 9])
@pytest.mark.parametrize('drop_last', [True, False])
def test_batches_per_epoch(samples: int, drop_last: bool) -> None:
    """As many as the loader of each process says."""
    from mmengine.dataset import DefaultSampler
    from torch.utils.data import DataLoader

    processes = 2
    data: Any = list(range(samples))
    sampler = DefaultSampler(data)
    # What the sampler computes for itself from the number of processes.
    sampler.num_samples = -(-samples // processes)
    loader: Any = DataLoader(data, 2, sampler=sampler, drop_last=drop_last)
    settings = dict(batch_size=2, drop_last=drop_last)
    assert batches_per_epoch(settings, samples, processes) == len(loader)


def test_with_factors_the_log_calls_it_base_lr(tmp_path: Path) -> None:
    """What is logged as lr is that of the first parameters."""
    cfg = runner_config(tmp_path, 1)
    cfg['train_cfg'] = LOOPS['iterations']
    cfg['param_scheduler'] = SCHEDULERS['by iteration']
    factors = dict(encoder=dict(lr_mult=0.25))
    cfg['optim_wrapper']['paramwise_cfg'] = dict(custom_keys=factors)
    cfg['default_hooks']['logger'] = dict(type='LoggerHook', interval=1)
    cfg['log_processor'] = dict(by_epoch=False)
    expected = schedules(cfg)['lr']
    Runner.from_cfg(cfg).train()
    logged = read_run(tmp_path)
    assert [value for _, value in logged['base_lr']] == expected
    assert [value for _, value in logged['lr']] == pytest.approx(
        [0.25 * value for value in expected]
    )


def test_a_scheduler_that_never_runs_is_named(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """With the names by which the command line changes it."""
    init_default_scope('videomac')
    name = 'finetune/videomac_convnextv2-tiny_8xb128-amp-coslr-300e_in1k.py'
    cfg = Config.fromfile(find_config(name))
    cfg.train_cfg.max_epochs = 2
    whole = Config.fromfile(find_config(name))
    assert schedules(cfg, 5)['lr'] == schedules(whole, 5)['lr'][:10]  # of the warm-up
    assert (
        'param_scheduler.1 (CosineAnnealingLR) begins after iteration 200, and the run '
        'ends after 10: it changes nothing. Let it begin earlier (warmup_epochs=NUMBER '
        'or param_scheduler.1.begin=NUMBER) or train longer (max_epochs=NUMBER or '
        'train_cfg.max_epochs=NUMBER)'
    ) in ''.join(capfd.readouterr())
    cfg.param_scheduler[1].end = 40
    with pytest.raises(ValueError, match='begins after epoch 40, but ends after epoch'):
        schedules(cfg, 5)
    del cfg.param_scheduler[1].end
    warm = dict(warmup_epochs=1)
    merge_options(cfg, warm)
    assert len(schedules(cfg, 5)['lr']) == 10
    cfg.param_scheduler[0].update(begin=3)
    with pytest.raises(ValueError, match=r'0 .*3, but ends after epoch 1.*0\.end=NUM'):
        schedules(cfg, 5)
    steps = dict(type='LinearLR', start_factor=0.5, by_epoch=False, begin=9)
    few = dict(cfg, param_scheduler=[steps], train_cfg=dict(max_iters=9), shortcuts=None)
    assert schedules(few)['lr'] == [cfg.optim_wrapper.optimizer.lr] * 9
    assert 'train longer (train_cfg.max_iters=NUMBER)' in ''.join(capfd.readouterr())


def test_bad_input() -> None:
    init_default_scope('videomac')
    cfg = dict(
        train_cfg=dict(max_epochs=2),
        optim_wrapper=dict(optimizer=dict(lr=1.0)),
        param_scheduler=[dict(type='LinearLR', start_factor=0.5)],
    )
    with pytest.raises(ValueError, match='2 epochs; their length follows'):
        schedules(cfg)
    with pytest.raises(ValueError, match='LinearLR counts epochs'):
        schedules({**cfg, 'train_cfg': dict(max_iters=3)})
    with pytest.raises(ValueError, match=r'no optim_wrapper\.optimizer\.lr'):
        schedules({**cfg, 'optim_wrapper': {}}, 3)
    with pytest.raises(ValueError, match='neither'):
        schedules({**cfg, 'train_cfg': None})
    with pytest.raises(ValueError, match='3 samples on 2 processes are no batch of 4'):
        batches_per_epoch(dict(batch_size=4, drop_last=True), 3, 2)
