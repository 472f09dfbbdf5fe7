"""Keeps numbers that are not finite out of the networks."""

from __future__ import annotations

import functools
import math
from collections import deque
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from torch import Tensor

from ...registry import HOOKS
from ..checkpoint_files import pointed_at
from ..nonfinite_report import BatchRecord, StepRecord, write_report
from ..unwrapped import unwrapped

__all__ = ['FiniteGuardHook', 'NonFiniteError', 'took_step']

_INFO = 'finite_guard'
_FINE, _SEARCHING, _BAD = 0, 1, 2


class NonFiniteError(RuntimeError):
    """The training is not going to recover by itself."""


def took_step(optim_wrapper: Any) -> bool:
    """Whether the iteration that has just ended moved the weights.

    Not if it only accumulated gradients, nor if :class:`FiniteGuardHook` found them
    useless.
    """
    skipped = getattr(optim_wrapper, 'skipped_step', False)
    return bool(optim_wrapper.should_update()) and not skipped


def all_finite(tensors: list[Tensor]) -> Tensor:
    """Whether the squares of all numbers have a finite sum.

    Squares, since Adam squares gradients: one of 1e20 would stay in its state as an
    infinite square and never let the weight move again.

    Args:
        tensors: Of any shapes, with floating-point numbers.

    Returns:
        bool of shape [].
    """
    if not tensors:
        return torch.tensor(True)
    norms = torch._foreach_norm(tensors)
    return torch.stack([n.to(norms[0]) for n in norms]).square().sum().isfinite()


@HOOKS.register_module()
class FiniteGuardHook(Hook):
    """Skip optimiser steps that would make the weights infinite or not a number.

    A step is skipped when the loss of any of its iterations, its gradient, or a buffer
    that its forward passes changed (running statistics of BatchNorm) is not finite in any
    process. All processes skip it together. Then weights, optimiser and target network
    are untouched, and the buffers are put back to what they were before the step; with
    gradient accumulation all its iterations are lost. Schedules, which are functions of
    the iteration, go on.

    After ``max_skips`` skipped steps in a row the next one ends the training with a
    report in ``<work_dir>/nonfinite_iter_<n>``, one for each process. The checkpoints are
    good: weights that are not finite are never saved.

    An optimiser wrapper with loss scaling looks for its scale by overflows. Steps that it
    skips for that are its own business, as long as the scale is above one.

    Args:
        max_skips: Steps in a row that may be skipped, at least 0.

    Raises:
        ValueError: If ``max_skips`` is negative.
    """

    priority = 'VERY_HIGH'

    def __init__(self, max_skips: int = 10) -> None:
        if max_skips < 0:
            raise ValueError(f'max_skips must be at least 0, got {max_skips}')
        self.max_skips = max_skips
        self.records: deque[StepRecord] = deque(maxlen=max_skips + 1)
        self.total = self.in_a_row = 0
        self._kept: list[Tensor] = []
        self._reasons: list[str] = []
        self._batches: list[BatchRecord] = []
        self._resumed: dict[str, Any] = {}

    def before_train(self, runner: Any) -> None:
        """Get between the optimiser's wrapper and its optimiser.

        Raises:
            TypeError: If there are several optimisers.
        """
        wrapper = runner.optim_wrapper
        if not isinstance(wrapper, OptimWrapper):
            raise TypeError(
                f'FiniteGuardHook guards one optimiser, not a {type(wrapper).__name__}: '
                'set default_hooks.finite_guard=None'
            )
        self.runner, self.wrapper = runner, wrapper
        counts = runner.message_hub.runtime_info.get(_INFO, {})
        self.total, self.in_a_row = counts.get('total', 0), counts.get('in_a_row', 0)
        self.parameters = dict(runner.model.named_parameters())
        # Names that do not depend on the number of processes.
        self.buffers = dict(unwrapped(runner.model).named_buffers())
        # A mask of infinities is as it should be.
        self.watched = {
            name: buffer
            for name, buffer in self.buffers.items()
            if buffer.is_floating_point() and all_finite([buffer])
        }
        self._start_step()
        self._data_batch: Any = None
        # On the object, as mmengine's schedulers count its steps: any wrapper will do.
        self._inner_backward, self._inner_step = wrapper.backward, wrapper.step
        wrapper.backward, wrapper.skipped_step = self._backward, False

        def step(**kwargs: Any) -> None:
            self._step(**kwargs)

        wrapper.step = functools.update_wrapper(step, wrapper.step)

    def step_state(self) -> dict[str, Any]:
        """What is known about a step that waits for more batches.

        Returns:
            Plain data of this process: ``buffers`` as they were before the step, by name,
            on the CPU; ``reasons`` not to take it; ``batches`` so far (iteration, number,
            loss). Nothing between two steps.
        """
        if not self._batches:
            return {}
        kept = zip(self.buffers, self._kept, strict=True)
        return {
            'buffers': {name: value.cpu().clone() for name, value in kept},
            'reasons': list(self._reasons),
            'batches': [[b.iteration, b.batch_idx, b.loss] for b in self._batches],
        }

    def resume_step(self, state: dict[str, Any]) -> None:
        """Go on in the middle of a step when the training starts.

        Args:
            state: What :meth:`step_state` returned when the checkpoint was saved.
        """
        self._resumed = state

    def _start_step(self) -> None:
        """Start with a new step, or the one that the checkpoint was saved in."""
        state, self._resumed = self._resumed, {}
        buffers = state.get('buffers', {})
        self._kept = [
            buffers.get(name, value).detach().to(value, copy=True)
            for name, value in self.buffers.items()
        ]
        self._reasons = list(state.get('reasons', ()))
        # Which samples they had is not stored.
        self._batches = [
            BatchRecord(iteration, batch_idx, None, loss)
            for iteration, batch_idx, loss in state.get('batches', ())
        ]

    def before_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Keep the buffers as they are before the first forward pass of a step."""
        if not self._batches:
            self._keep_buffers()
        self._batches.append(BatchRecord.of(runner.iter, batch_idx, data_batch))
        self._data_batch = data_batch

    @torch.no_grad()
    def _keep_buffers(self) -> None:
        if self.buffers:
            torch._foreach_copy_(self._kept, list(self.buffers.values()))

    @torch.no_grad()
    def _restore_buffers(self) -> None:
        if self.buffers:
            torch._foreach_copy_(list(self.buffers.values()), self._kept)

    def _backward(self, loss: Tensor, **kwargs: Any) -> None:
        """Run the backward pass in any case: other processes wait for its gradients."""
        self._inner_backward(loss, **kwargs)
        value = float(loss.detach())
        if self._batches:
            self._batches[-1].loss = value
        if not math.isfinite(value):
            self._reasons.append('loss')
        elif not all_finite(list(self.watched.values())):
            self._reasons.append('buffer')
        else:
            return
        # At once: a checkpoint may be saved before the step is due.
        self._restore_buffers()

    def _step(self, **kwargs: Any) -> None:
        """Take the step if it is finite everywhere."""
        gradients = {
            name: parameter.grad
            for name, parameter in self.parameters.items()
            if parameter.grad is not None
        }
        if not all_finite(list(gradients.values())):
            self._reasons.append('gradient')
        verdict = self._agree()
        self.wrapper.skipped_step = verdict != _FINE
        if verdict == _BAD:
            self._skip(gradients)
        else:
            self._inner_step(**kwargs)
        if verdict == _FINE and self.in_a_row:
            self.in_a_row = 0
            self.records.clear()
            self._publish_counts()
        self._reasons, self._batches = [], []

    def _agree(self) -> int:
        """Find the worst verdict of all processes."""
        verdict = _FINE
        if self._reasons:
            scaler = getattr(self.wrapper, 'loss_scaler', None)
            # A scale that is given never changes: nobody searches.
            dynamic = getattr(self.wrapper, '_scale_update_param', None) is None
            searching = (
                scaler is not None
                and dynamic
                and scaler.get_scale() > 1
                and self._reasons == ['gradient']
            )
            verdict = _SEARCHING if searching else _BAD
        worst = torch.tensor(verdict)
        all_reduce(worst, 'max')
        return int(worst)

    def _skip(self, gradients: dict[str, Tensor]) -> None:
        """Undo the forward passes of the step.

        Raises:
            NonFiniteError: It is one too many in a row.
        """
        self._restore_buffers()
        self.total += 1
        self.in_a_row += 1
        self._publish_counts()
        self.records.append(self._record(gradients))
        reasons = ' and '.join(dict.fromkeys(self._reasons)) or 'loss or gradient'
        where = 'here' if self._reasons else 'in another process'
        self.runner.logger.warning(
            f'iteration {self.runner.iter + 1}: {reasons} not finite {where}; optimiser '
            f'step skipped ({self.in_a_row} in a row, {self.max_skips} are allowed; '
            f'{self.total} in all)'
        )
        if self.in_a_row > self.max_skips:
            self._give_up(f'{self.in_a_row} optimiser steps in a row')

    def _record(self, gradients: dict[str, Tensor]) -> StepRecord:
        bad = [name for name, value in gradients.items() if not all_finite([value])]
        scalars = self.runner.message_hub.log_scalars
        return StepRecord(
            iteration=self.runner.iter + 1,
            reasons=list(dict.fromkeys(self._reasons)),
            gradients=bad,
            batches=[batch.described() for batch in self._batches],
            scalars={name: float(s.current()) for name, s in scalars.items()},
        )

    def _publish_counts(self) -> None:
        counts = dict(total=self.total, in_a_row=self.in_a_row)
        self.runner.message_hub.update_info(_INFO, counts)

    def _give_up(self, what: str) -> None:
        """Write a report.

        Raises:
            NonFiniteError: Always.
        """
        report = write_report(self.runner, list(self.records), self._data_batch)
        good = pointed_at(self.runner.work_dir) or 'none'
        raise NonFiniteError(
            f'{what} had numbers that are not finite; the training stopped at iteration '
            f"{self.runner.iter + 1}. The batches and values are in '{report}'. The last "
            f'good checkpoint is {good!r}. Look at the samples of these batches; if '
            'they are sound, lower optim_wrapper.optimizer.lr, set '
            'optim_wrapper.clip_grad=dict(max_norm=1.0), or train in single precision '
            '(tools/train.py --no-amp)'
        )

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Keep weights that are not finite from replacing good ones.

        Raises:
            NonFiniteError: They are not, in spite of finite gradients.
        """
        if not hasattr(self, 'parameters'):  # no training
            return
        bad = [
            name
            for name, value in (self.parameters | self.watched).items()
            if value.is_floating_point() and not value.isfinite().all()
        ]
        if bad:
            self._give_up(f'{len(bad)} weights (the first is {bad[0]})')

    def after_train(self, runner: Any) -> None:
        """Leave the wrapper as it was, and sum up."""
        self.wrapper.backward, self.wrapper.step = self._inner_backward, self._inner_step
        if self.total:
            runner.logger.warning(
                f'{self.total} optimiser steps of this run were skipped, since numbers '
                'were not finite; the warnings above say when'
            )
