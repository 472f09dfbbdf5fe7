"""Learning rates follow the length of the run, or somebody says that they do not."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from tests.engine.tiny import runner_config
from videomac.engine.schedules import schedules
from videomac.utils import configs_root, merge_options
from videomac.visualization.run_log import read_run

BASE = configs_root() / '_base_/schedules/adamw_coslr_100e.py'
TRAININGS = [
    path
    for folder in ('videomac', 'rivals', 'ablations')
    for path in sorted((configs_root() / folder).glob('*_8xb*.py'))
]
BATCHES = 7  # of an epoch


@pytest.mark.parametrize('converted', [True, False])
def test_numbers_that_are_derived_are_those_written_out(converted: bool) -> None:
    """To the last bit, counted in iterations and in epochs."""
    init_default_scope('videomac')
    derived, written = Config.fromfile(BASE), Config.fromfile(BASE)
    for part in (*derived.param_scheduler, *written.param_scheduler):
        part.convert_to_iter_based = converted
    written.param_scheduler[1].update(T_max=90, end=100)
    found = schedules(derived, BATCHES)['lr']
    assert found == schedules(written, BATCHES)['lr']
    assert len(found) == 100 * BATCHES
    assert max(found) == pytest.approx(2e-3)


def test_another_number_of_epochs() -> None:
    """Warm-up and half a cosine of the new length, as MAE's formula has them."""
    init_default_scope('videomac')
    cfg = Config.fromfile(BASE)
    merge_options(cfg, dict(max_epochs=30, warmup_epochs=3, lr=1e-3))
    found = schedules(cfg, BATCHES)['lr']
    assert len(found) == 30 * BATCHES
    for i, value in enumerate(found[3 * BATCHES :]):
        expected = 0.5e-3 * (1 + math.cos(math.pi * i / (27 * BATCHES)))
        assert value == pytest.approx(expected, rel=1e-9)
    rise = [b - a for a, b in pairwise(found[: 3 * BATCHES])]
    assert found[0] == pytest.approx(1e-7)
    assert rise == pytest.approx([rise[0]] * len(rise))


@pytest.mark.parametrize('path', TRAININGS, ids=lambda path: path.stem)
def test_every_config_follows_its_number_of_epochs(path: Path) -> None:
    init_default_scope('videomac')
    cfg = Config.fromfile(path)
    merge_options(cfg, dict(max_epochs=106))
    found = schedules(cfg, 3)['lr']
    assert max(found) == pytest.approx(cfg.optim_wrapper.optimizer.lr)
    assert found.index(max(found)) in (29, 30)  # equal but for rounding
    # One iteration before the end of a cosine of 288.
    last = max(found) * (1 + math.cos(math.pi * 287 / 288)) / 2
    assert found[-1] == pytest.approx(last, rel=1e-9)
    others = [part.get('end') for part in cfg.param_scheduler if part.begin == 0][1:]
    assert others in ([], [None])  # SparK's weight decay


def training(folder: Path, epochs: int, **end: int) -> dict[str, Any]:
    """Epochs of three iterations, one of them warm-up."""
    cfg = runner_config(folder, 1)
    cfg['train_cfg'] = dict(type='EpochBasedTrainLoop', max_epochs=epochs)
    cfg['train_dataloader']['dataset'] = dict(type='NoiseFrames', length=6)
    cfg['default_hooks'] |= dict(
        logger=dict(type='LoggerHook', interval=1),
        checkpoint=dict(type='CheckpointHook', interval=2),
        exact_resume=dict(type='ExactResumeHook'),
        schedule_check=dict(type='ScheduleCheckHook'),
    )
    cfg['param_scheduler'] = [
        dict(type='LinearLR', start_factor=0.1, end=1, convert_to_iter_based=True),
        dict(type='CosineAnnealingLR', begin=1, convert_to_iter_based=True, **end),
    ]
    return cfg | dict(log_level='WARNING')


def test_a_resumed_run_goes_on_along_the_same_curve(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Runner.from_cfg(training(tmp_path / 'whole', 4)).train()
    whole = read_run(tmp_path / 'whole')['lr']
    cfg = training(tmp_path / 'parts', 4)
    cfg |= dict(resume=True, load_from=str(tmp_path / 'whole' / 'epoch_2.pth'))
    Runner.from_cfg(cfg).train()
    assert read_run(tmp_path / 'parts')['lr'] == whole[6:]
    assert [value for _, value in whole] == schedules(cfg, 3)['lr']
    assert 'CosineAnnealingLR' not in ''.join(capfd.readouterr())
    # Its schedulers are those of the checkpoint, if the run is made longer.
    cfg = training(tmp_path / 'longer', 6)
    cfg |= dict(resume=True, load_from=str(tmp_path / 'whole' / 'epoch_4.pth'))
    Runner.from_cfg(cfg).train()
    said = ''.join(capfd.readouterr())
    assert 'param_scheduler.1 (CosineAnnealingLR) ends after iteration 12' in said
    assert 'the run ends after 18' in said
    assert 'resumed run' in said


def test_a_scheduler_that_comes_too_late_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """In the log of a run, and where its curve is drawn."""
    cfg = training(tmp_path, 1, end=3)
    Runner.from_cfg(cfg).train()
    expected = (
        'param_scheduler.1 (CosineAnnealingLR) begins after iteration 3, and the run '
        'ends after 3: it changes nothing. Let it begin earlier (param_scheduler.1.begin='
    )
    assert expected in ''.join(capfd.readouterr())
    schedules(cfg, 3)
    assert expected in ''.join(capfd.readouterr())


@pytest.mark.parametrize('by_epoch', [True, False])
def test_a_run_that_ends_in_the_warm_up(tmp_path: Path, by_epoch: bool) -> None:
    """A short run for a try: trained like the beginning of a long one."""
    cfg = training(tmp_path, 2)
    cfg['param_scheduler'] = [
        dict(type='LinearLR', start_factor=0.1, end=9, by_epoch=by_epoch),
        dict(type='CosineAnnealingLR', begin=9, by_epoch=by_epoch),
    ]
    expected = schedules(cfg, 3)['lr']
    Runner.from_cfg(cfg).train()
    assert [value for _, value in read_run(tmp_path)['lr']] == expected
    passed = 1 if by_epoch else 5  # of eight steps from .1 to 1 of the rate
    assert expected[-1] == pytest.approx(1e-3 * (0.1 + 0.9 * passed / 8))


@pytest.mark.parametrize(
    ('iterations', 'warm'), [(10, 3), (11, 3), (3, 3), (2, 3), (8, 0)]
)
def test_epochs_in_a_run_of_iterations(
    tmp_path: Path, iterations: int, warm: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """Epochs are passes over the data, and half a cosine ends with the run."""
    cfg = training(tmp_path, 1)
    cfg['train_cfg'] = dict(type='IterBasedTrainLoop', max_iters=iterations)
    cfg['log_processor'] = dict(by_epoch=False)
    for part, name in zip(cfg['param_scheduler'], ('end', 'begin'), strict=True):
        part[name] = warm // 3
    drawn = schedules(cfg, 3)['lr']
    Runner.from_cfg(cfg).train()
    found = [value for _, value in read_run(tmp_path)['lr']]
    assert found == drawn
    fall = [i / (iterations - warm) for i in range(iterations - warm)]
    expected = [
        *(0.1 + 0.9 * i / (warm - 1) for i in range(warm)),
        *((1 + math.cos(math.pi * share)) / 2 for share in fall),
    ]
    assert found == pytest.approx([1e-3 * value for value in expected[:iterations]])
    said = ''.join(capfd.readouterr())
    assert ('CosineAnnealingLR) begins after' in said) == (iterations <= warm)


@pytest.mark.parametrize(
    ('parts', 'named'),
    [
        ([dict(type='LinearLR', start_factor=0.5, end=2)], []),  # constant from then on
        ([dict(type='MultiStepLR', milestones=[3])], []),
        ([dict(type='CosineAnnealingLR', end=38)], []),
        ([dict(type='CosineAnnealingLR', end=37)], [0]),
        (
            [dict(type='CosineAnnealingLR', end=9), dict(type='ExponentialLR', gamma=1)],
            [],
        ),
        ([dict(type='PolyLR', end=9), dict(type='CosineAnnealingMomentum')], [0]),
        ([dict(type='PolyLR', by_epoch=False, end=9)], [0]),
    ],
)
def test_what_may_end_early(
    parts: list[dict[str, Any]], named: list[int], capfd: pytest.CaptureFixture[str]
) -> None:
    init_default_scope('videomac')
    cfg = dict(
        train_cfg=dict(max_epochs=40),
        optim_wrapper=dict(optimizer=dict(lr=1.0)),
        param_scheduler=parts,
    )
    schedules(cfg, 2)
    said = ''.join(capfd.readouterr())
    for number in range(len(parts)):
        assert (f'param_scheduler.{number} (' in said) == (number in named)
