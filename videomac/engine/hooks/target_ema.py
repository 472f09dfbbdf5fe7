"""Moves the target network after every optimiser step."""

from __future__ import annotations

import math
from typing import Any

from mmengine.hooks import Hook

from ...registry import HOOKS
from ..unwrapped import unwrapped
from .finite_guard import took_step

__all__ = ['TargetEMAHook', 'momentum_at']

SCHEDULES = ('cosine', 'constant')


def momentum_at(
    iteration: int,
    total: int,
    momentum: float = 0.996,
    end_momentum: float = 1.0,
    schedule: str = 'cosine',
) -> float:
    """Momentum of the target network, a pure function of the iteration.

    Cosine: ``end - (end - start) * (1 + cos(pi * iteration / total)) / 2``, as in BYOL
    (Grill et al., NeurIPS 2020).

    Args:
        iteration: Iteration of the whole run, from 0.
        total: Iterations of the whole run.
        momentum: Momentum at iteration 0 (and throughout when constant), in [0, 1].
        end_momentum: Momentum at ``total``, in [0, 1].
        schedule: ``'cosine'`` or ``'constant'``.

    Returns:
        The share of the old target that is kept.
    """
    if schedule == 'constant':
        return momentum
    progress = min(max(iteration / max(total, 1), 0.0), 1.0)
    remaining = (1 + math.cos(math.pi * progress)) / 2
    return end_momentum - (end_momentum - momentum) * remaining


@HOOKS.register_module()
class TargetEMAHook(Hook):
    """Update the target network of the model right after each optimiser step.

    The momentum rises over the iterations of the whole run (the released code restarts
    the schedule every epoch, so that it stays near its start). Iterations that only
    accumulate gradients do not move the target. There is no state: after a resume the
    momentum goes on where it was.

    Args:
        momentum: Momentum at the start, in [0, 1].
        end_momentum: Momentum at the end, in [0, 1].
        schedule: ``'cosine'`` or ``'constant'``.

    Raises:
        ValueError: If an argument is out of its range.
    """

    # Before the checkpoint is written, so that it holds the target of its iteration.
    priority = 'ABOVE_NORMAL'

    def __init__(
        self,
        momentum: float = 0.996,
        end_momentum: float = 1.0,
        schedule: str = 'cosine',
    ) -> None:
        for name, value in (('momentum', momentum), ('end_momentum', end_momentum)):
            if not 0 <= value <= 1:
                raise ValueError(f'{name} must be in [0, 1], got {value}')
        if schedule not in SCHEDULES:
            raise ValueError(f'schedule must be one of {SCHEDULES}, got {schedule!r}')
        self.momentum = momentum
        self.end_momentum = end_momentum
        self.schedule = schedule

    def before_train(self, runner: Any) -> None:
        """Check that there is a target network.

        Raises:
            ValueError: If the model has none.
        """
        model = unwrapped(runner.model)
        if getattr(model, 'target', None) is None:
            raise ValueError(
                f'TargetEMAHook needs a model with a target network, but '
                f'{type(model).__name__} has none: set '
                "target=dict(type='EMATarget') in the model, or leave out the hook "
                '(custom_hooks=[])'
            )

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Move the target if this iteration ended in an optimiser step."""
        # The wrapper has counted this iteration already; it steps at every multiple of
        # the accumulation and at the last iteration of the run.
        if not took_step(runner.optim_wrapper):
            return
        momentum = momentum_at(
            runner.iter,
            runner.max_iters,
            self.momentum,
            self.end_momentum,
            self.schedule,
        )
        unwrapped(runner.model).update_target(momentum)
        runner.message_hub.update_scalar('train/target_momentum', momentum)
