"""The learning rates of train.py are those that the command line asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from tests.engine.tiny import runner_config
from tests.tools.test_train_cli import merged, train
from videomac.engine.schedules import schedules
from videomac.visualization.run_log import read_run


@pytest.mark.parametrize(
    ('batch_size', 'accumulated', 'repeats', 'ratio'),
    [(64, 1, 1, 1 / 8), (64, 8, 1, 1.0), (16, 2, 4, 1 / 4)],
)
def test_auto_scale_lr_counts_whole_steps(
    tmp_path: Path, batch_size: int, accumulated: int, repeats: int, ratio: float
) -> None:
    """The learning rate follows the samples of a step, for which the config's is 512."""
    cfg = runner_config(tmp_path, iterations=1, batch_size=batch_size)
    cfg['train_dataloader']['dataset']['repeats'] = repeats
    cfg['optim_wrapper']['accumulative_counts'] = accumulated
    cfg = merged('--auto-scale-lr', auto_scale_lr={'base_batch_size': 512}, **cfg)
    runner = Runner.from_cfg(cfg)
    train.scale_learning_rate(runner)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    # What mmengine does next leaves it alone.
    runner.scale_lr(runner.optim_wrapper, runner.auto_scale_lr)
    (group, *_) = runner.optim_wrapper.optimizer.param_groups
    assert group['lr'] == pytest.approx(1e-3 * ratio)


def scaled(folder: Path) -> Config:
    """Nine iterations at a quarter of the rate, in two groups of parameters."""
    cfg: dict[str, Any] = runner_config(folder, iterations=9)
    cfg['param_scheduler'] = [
        dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=3),
        dict(type='CosineAnnealingLR', by_epoch=False, begin=3),
    ]
    factors = dict(encoder=dict(lr_mult=0.5))
    cfg['optim_wrapper']['paramwise_cfg'] = dict(custom_keys=factors)
    cfg['default_hooks']['logger'] = dict(type='LoggerHook', interval=1)
    cfg['default_hooks']['checkpoint'] = dict(
        type='CheckpointHook', interval=4, by_epoch=False
    )
    cfg['log_processor'] = dict(by_epoch=False)
    scaling = dict(base_batch_size=8)
    return merged(
        '--work-dir', str(folder), '--auto-scale-lr', auto_scale_lr=scaling, **cfg
    )


def test_the_log_has_the_scaled_rate(tmp_path: Path) -> None:
    """Under both names that mmengine has for it; a resume does not scale once more."""
    cfg = scaled(tmp_path / 'whole')
    plain = Config(cfg.to_dict())
    plain.optim_wrapper.optimizer.lr *= 2 / 8
    expected = schedules(plain)['lr']
    assert max(expected) == 1e-3 / 4

    def logged(cfg: Config) -> dict[str, list[tuple[int, float]]]:
        runner = Runner.from_cfg(cfg)
        train.scale_learning_rate(runner)
        runner.train()
        return read_run(Path(cfg.work_dir))

    found = logged(cfg)
    assert [value for _, value in found['base_lr']] == expected
    halves = [value / 2 for value in expected]
    assert [value for _, value in found['lr']] == pytest.approx(halves)
    # The config that is kept is the one that was given.
    kept = Config.fromfile(next((tmp_path / 'whole').glob('*.py')))
    assert kept.optim_wrapper.optimizer.lr == 1e-3
    again = scaled(tmp_path / 'again')
    again.resume, again.load_from = True, str(tmp_path / 'whole' / 'iter_4.pth')
    resumed = logged(again)
    for name in ('base_lr', 'lr'):
        assert resumed[name] == found[name][4:]


def test_what_cannot_be_scaled_is_named(tmp_path: Path) -> None:
    cfg = scaled(tmp_path)
    del cfg.optim_wrapper.optimizer.lr
    with pytest.raises(ValueError, match=r'no optim_wrapper\.optimizer\.lr to scale'):
        train.scale_learning_rate(Runner.from_cfg(cfg))
