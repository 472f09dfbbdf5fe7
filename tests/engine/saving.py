"""A run that saves its checkpoints in the way of this toolbox."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.runner import Runner

from tests.engine.tiny import runner_config
from videomac.registry import METRICS


@METRICS.register_module(force=True)
class ScriptedMetric(BaseMetric):
    """Evaluates to given numbers, one after the other."""

    def __init__(self, scores: list[float]) -> None:
        super().__init__()
        self.scores = iter(scores)

    def process(self, data_batch: Any, data_samples: Any) -> None:
        """Look at nothing."""
        self.results.append(0)

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        """Return the next number."""
        return {'acc': next(self.scores)}


class ActHook(Hook):  # type: ignore[misc]
    """Calls a function before every iteration."""

    def __init__(self, act: Callable[[int], None]) -> None:
        self.act = act

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any) -> None:
        """Call it with the number of the iteration."""
        self.act(runner.iter)


def make_runner(
    work_dir: Path,
    iterations: int = 6,
    act: Callable[[int], None] | None = None,
    scores: list[float] | None = None,
    resume: str | None = None,
    config: dict[str, Any] | None = None,
    **changes: Any,
) -> Runner:
    """Make a runner that saves every iteration and keeps two checkpoints."""
    cfg = runner_config(work_dir, iterations)
    hook: dict[str, Any] = dict(
        type='VerifiedCheckpointHook',
        interval=1,
        by_epoch=False,
        max_keep_ckpts=2,
        save_param_scheduler=False,  # there is none
    )
    cfg['default_hooks']['checkpoint'] = hook | changes
    if scores is not None:
        cfg['val_cfg'] = dict(type='ValLoop')
        cfg['train_cfg']['val_interval'] = 1
        cfg['val_dataloader'] = cfg['train_dataloader'] | dict(
            dataset=dict(type='NoiseFrames', length=1)
        )
        cfg['val_evaluator'] = dict(type='ScriptedMetric', scores=scores)
        cfg['default_hooks']['checkpoint']['save_best'] = 'acc'
    if resume is not None:
        cfg |= dict(resume=True, load_from=resume)
    name = f'{work_dir.parent.name}-{work_dir.name}'
    cfg['experiment_name'] = f'{name}-{iterations}-{resume}'
    cfg['default_hooks']['exact_resume'] = dict(type='ExactResumeHook')
    runner = Runner.from_cfg(cfg | (config or {}))
    if act is not None:
        runner.register_hook(ActHook(act))
    return runner


def names(folder: Path) -> list[str]:
    """List the checkpoints."""
    return sorted(path.name for path in folder.glob('*.pth'))
