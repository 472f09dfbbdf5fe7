"""The hook that moves the target: schedule, accumulation, resume, order."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from tests.engine.tiny import runner_config
from videomac.engine.hooks import TargetEMAHook
from videomac.engine.hooks.target_ema import momentum_at
from videomac.registry import HOOKS


@pytest.mark.parametrize('iteration', [0, 1, 17, 50, 99, 100])
def test_cosine_schedule(iteration: int) -> None:
    expected = 1 - (1 - 0.996) * (math.cos(math.pi * iteration / 100) + 1) / 2
    assert momentum_at(iteration, 100) == pytest.approx(expected, abs=1e-12)


def test_schedule_ends_and_constant() -> None:
    assert momentum_at(0, 100, 0.9, 1.0) == pytest.approx(0.9)
    assert momentum_at(100, 100, 0.9, 1.0) == pytest.approx(1.0)
    assert momentum_at(101, 100, 0.9, 1.0) == pytest.approx(1.0)
    assert momentum_at(73, 100, 0.9, 1.0, 'constant') == 0.9


@HOOKS.register_module(force=True)
class RecordOnline(Hook):
    """Keeps the online and the target weights of every iteration."""

    priority = 'BELOW_NORMAL'

    def __init__(self) -> None:
        self.online: list[Tensor] = []
        self.target: list[Tensor] = []

    def _keep(self, runner: Any) -> None:
        model = runner.model
        self.online.append(model.decoder.proj.weight.detach().clone())
        self.target.append(model.target.decoder.proj.weight.detach().clone())

    def before_train(self, runner: Any) -> None:
        if not self.online:
            self._keep(runner)

    def after_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        self._keep(runner)


def record(runner: Runner) -> RecordOnline:
    return next(h for h in runner.hooks if isinstance(h, RecordOnline))


@pytest.mark.parametrize('accumulate', [1, 3])
def test_target_is_the_closed_form_over_real_steps(
    tmp_path: Path, accumulate: int
) -> None:
    cfg = runner_config(tmp_path, iterations=8)
    cfg['custom_hooks'] = [
        dict(type='TargetEMAHook', momentum=0.5, end_momentum=0.9),
        dict(type='RecordOnline'),
    ]
    cfg['optim_wrapper']['accumulative_counts'] = accumulate
    runner = Runner.from_cfg(cfg)
    runner.train()
    seen = record(runner)
    expected = seen.online[0]
    for i in range(8):
        stepped = (i + 1) % accumulate == 0 or i == 7
        assert stepped == (not torch.equal(seen.online[i], seen.online[i + 1]))
        if stepped:
            momentum = 0.9 - 0.4 * (1 + math.cos(math.pi * i / 8)) / 2
            expected = momentum * expected + (1 - momentum) * seen.online[i + 1]
        torch.testing.assert_close(seen.target[i + 1], expected, rtol=1e-5, atol=1e-7)


def test_momentum_goes_on_after_a_resume(tmp_path: Path) -> None:
    whole = Runner.from_cfg(runner_config(tmp_path / 'whole', iterations=6))
    whole.train()
    first = runner_config(tmp_path / 'parts', iterations=6)
    first['default_hooks']['checkpoint'] = dict(
        type='CheckpointHook', interval=3, by_epoch=False
    )
    stopped = Runner.from_cfg(first)
    stopped.train()
    resumed = Runner.from_cfg(
        runner_config(tmp_path / 'parts', iterations=6)
        | dict(load_from=str(tmp_path / 'parts/iter_3.pth'), resume=True)
    )
    momenta: list[float] = []
    update = resumed.model.update_target

    def record_update(momentum: float) -> None:
        momenta.append(momentum)
        update(momentum)

    resumed.model.update_target = record_update
    resumed.train()
    # The first call makes the target a copy at initialisation, before weights are loaded.
    assert momenta == pytest.approx([0.0, *(momentum_at(i, 6) for i in (3, 4, 5))])
    assert whole.model.target is not None
    for name, value in whole.model.target.state_dict().items():
        torch.testing.assert_close(resumed.model.target.state_dict()[name], value)


def test_a_model_without_target_is_an_error(tmp_path: Path) -> None:
    cfg = runner_config(tmp_path, iterations=1)
    cfg['model'] |= dict(target=None, consistency_loss=None)
    with pytest.raises(ValueError, match=r'VideoMAC has none.*custom_hooks=\[\]'):
        Runner.from_cfg(cfg).train()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(momentum=1.2), r'momentum must be in \[0, 1\], got 1.2'),
        (dict(end_momentum=-1.0), r'end_momentum must be in \[0, 1\], got -1.0'),
        (dict(schedule='linear'), "schedule must be one of .* got 'linear'"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TargetEMAHook(**arguments)
