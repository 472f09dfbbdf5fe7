"""A data set that does not fill a batch is an error."""

from pathlib import Path
from typing import Any

import pytest
from mmengine.runner import Runner

from tests.engine.tiny import runner_config
from videomac.engine import check_loader


def settings(work_dir: Path, **data: Any) -> dict[str, Any]:
    """An iteration on batches of 32, where the data set has 16 samples."""
    cfg = runner_config(work_dir, iterations=1, batch_size=32)
    cfg['train_dataloader'] |= data
    cfg['default_hooks']['loader_check'] = dict(type='LoaderCheckHook')
    return cfg


@pytest.mark.parametrize('drop_last', [True, False])
def test_nothing_to_train_on(tmp_path: Path, drop_last: bool) -> None:
    runner = Runner.from_cfg(settings(tmp_path, drop_last=drop_last))
    if drop_last:
        with pytest.raises(ValueError, match='16 samples, fewer than a batch of 32'):
            runner.train()
    else:
        runner.train()


@pytest.mark.parametrize('length', [16, 0])
@pytest.mark.parametrize('loop', ['IterBasedTrainLoop', 'mmengine.IterBasedTrainLoop'])
def test_endless_sampler(tmp_path: Path, length: int, loop: str) -> None:
    """It fills any batch, unless there is nothing at all."""
    cfg = settings(
        tmp_path,
        drop_last=length > 0,
        sampler=dict(type='InfiniteSampler'),
        dataset=dict(type='NoiseFrames', length=length),
    )
    cfg['train_cfg']['type'] = loop
    runner = Runner.from_cfg(cfg)
    if length == 0:
        with pytest.raises(ValueError, match='0 samples, fewer than a batch of 32'):
            runner.train()
    else:
        runner.train()
        assert runner.iter == 1


@pytest.mark.parametrize('loop', ['EpochBasedTrainLoop', 'mmengine.EpochBasedTrainLoop'])
def test_before_the_schedules_are_built(tmp_path: Path, loop: str) -> None:
    """These fail at epochs of no iterations before the hook could say what is wrong."""
    cfg = settings(tmp_path, drop_last=True)
    cfg['train_cfg'] = dict(type=loop, max_epochs=2)
    cfg['param_scheduler'] = dict(
        type='CosineAnnealingLR', by_epoch=True, convert_to_iter_based=True
    )
    runner = Runner.from_cfg(cfg)
    with pytest.raises(ValueError, match='16 samples, fewer than a batch of 32 on each'):
        check_loader(runner.train_loop.dataloader, runner.world_size)
    with pytest.raises(AssertionError, match='epoch_length'):
        runner.train()
