"""Saves and stops when the machine is about to be taken away."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_reduce, barrier, broadcast_object_list, is_main_process
from mmengine.hooks import CheckpointHook, EMAHook, Hook

from ...registry import HOOKS
from ...utils.signals import STOP_SIGNALS, hold_signals, release_signals
from ..checkpoint_files import CheckpointError, pointed_at
from .verified_checkpoint import VerifiedCheckpointHook

__all__ = ['EXIT_CODE', 'NOTE', 'Preempted', 'PreemptionHook']

#: Exit status of a run that was asked to stop and can be resumed (EX_TEMPFAIL).
EXIT_CODE = 75
#: Environment variable with a file in which to note the exit status instead of exiting
#: with it: torchrun takes every status but 0 for a crash and starts the processes again.
NOTE = 'VIDEOMAC_EXIT_NOTE'

_INFO = 'preemption_checkpoint'


class Preempted(SystemExit):
    """Ends the run after it was asked to stop; it can be resumed."""

    code: int


@HOOKS.register_module()
class PreemptionHook(Hook):
    """On SIGTERM or SIGUSR1, save at the end of the iteration and exit.

    The signal may reach any of the processes; all agree at each iteration whether to
    stop. The checkpoint is ``iter_<n>.pth`` in the folder of the other checkpoints, and
    ``last_checkpoint`` names it, so that ``--resume`` goes on from there. With
    checkpoints by epoch there is at most one of these files.

    The process exits with status 75 (:data:`EXIT_CODE`). If the environment variable
    ``VIDEOMAC_EXIT_NOTE`` names a file, the status is written there and the exit is 0:
    ``tools/dist_train.sh`` needs this, see :data:`NOTE`.

    If the checkpoint cannot be written, that is tried again for ``patience`` seconds.
    Then the run ends and says so: with status 75 if it has an earlier checkpoint to go on
    from, and with :class:`~videomac.engine.checkpoint_files.CheckpointError` if not.

    Args:
        signals: Names of the signals.
        patience: Seconds to keep trying to save, at least 0; schedulers do not wait long.

    Raises:
        ValueError: If a signal has no such name on this system, or ``patience`` is
            negative.
    """

    # After the checkpoint hook, so that a regular checkpoint of this iteration is saved.
    priority = 'LOWEST'

    def __init__(
        self, signals: Sequence[str] = STOP_SIGNALS, patience: float = 20.0
    ) -> None:
        unknown = [name for name in signals if name not in signal.Signals.__members__]
        if unknown:
            raise ValueError(f'this system has no signals {unknown}')
        if patience < 0:
            raise ValueError(f'patience must be at least 0 seconds, got {patience}')
        self.signals = tuple(signals)
        self.patience = patience
        self._received: str | None = None
        self._old: dict[str, Any] = {}
        self._val_iters = 0  # that are left and all processes have

    def before_run(self, runner: Any) -> None:
        """Listen, if this is a training: nothing else is saved when it is stopped."""
        # mmengine has built the loop by now; runner.train_loop would build it.
        training = hasattr(runner._train_loop, 'dataloader')
        if self._old or not training:
            return
        if threading.current_thread() is not threading.main_thread():
            runner.logger.warning(
                'PreemptionHook: Python receives signals in the main thread only, so '
                'this run will not save when it is asked to stop'
            )
            return
        for name in self.signals:
            self._old[name] = signal.signal(signal.Signals[name], self._receive)

    def _receive(self, number: int, frame: Any) -> None:
        # Nothing else: whatever the process was doing is not finished.
        self._received = signal.Signals(number).name

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Save and exit if any process was asked to stop.

        Raises:
            Preempted: It was.
            CheckpointError: It was, and nothing is saved.
        """
        if self._agree():
            self._stop(runner, runner.iter + 1)

    def before_val_epoch(self, runner: Any) -> None:
        """Workers start between here and the first iteration; see hold_signals."""
        if self._old:
            hold_signals()
            # Processes may have different numbers of batches, but agree in all they have.
            batches = torch.tensor(len(runner.val_dataloader))
            all_reduce(batches, 'min')
            self._val_iters = int(batches)

    def before_val_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None
    ) -> None:
        """The workers are there: signals may come."""
        if self._old and batch_idx == 0:
            release_signals()

    def after_val_epoch(self, runner: Any, metrics: Any = None) -> None:
        """The same, if there was nothing to validate."""
        if self._old:
            release_signals()

    def after_val_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Save and exit in the middle of a validation, which a resumed run repeats.

        If EMAHook goes through the data once more (``evaluate_on_origin``), the stop has
        to wait for the next iteration of the training: the validation is half recorded.

        Raises:
            Preempted: A process was asked to stop.
            CheckpointError: One was, and nothing is saved.
        """
        self._val_iters -= 1
        if self._val_iters < 0 or not self._agree():
            return
        for hook in runner.hooks:
            if isinstance(hook, EMAHook):
                # It has put the averaged weights into the model, and would save them as
                # those that are trained. Swapped once more, all are in their places.
                hook.before_val_epoch(runner)
        self._stop(runner, runner.iter)

    def before_test(self, runner: Any) -> None:
        """A test saves nothing either, even one that follows a training."""
        self.after_run(runner)

    def after_run(self, runner: Any) -> None:
        """Leave the signals as they were."""
        for name, handler in self._old.items():
            signal.signal(signal.Signals[name], handler)
        self._old = {}

    def _agree(self) -> bool:
        """Whether any process was asked to stop; all have to call this."""
        asked = torch.tensor(int(self._received is not None))
        all_reduce(asked, 'max')
        return bool(asked)

    def _stop(self, runner: Any, iteration: int) -> None:
        """Save and exit.

        Args:
            runner: The runner.
            iteration: Number of finished iterations.

        Raises:
            Preempted: The run can be resumed.
            CheckpointError: It has no checkpoint.
        """
        reason = self._received or 'a signal in another process'
        runner.logger.warning(f'{reason}: saving after iteration {iteration}')
        problem = self._save(runner, iteration)
        found = [problem, _resumes_from(runner) if problem else 'here']
        broadcast_object_list(found)  # the main process alone writes
        problem, place = found
        runner.visualizer.close()  # curves that wait to be written
        barrier()  # whoever exits first may take the others along
        stopped = f'stopped by {reason}' + (f', NOT saved ({problem})' if problem else '')
        if place is None:
            raise CheckpointError(
                f'{stopped}: it has no checkpoint of its own and would start again where '
                'it began. Make room or repair the folder, and see that it saves at all'
            )
        runner.logger.warning(f'{stopped}; --resume goes on from {place}')
        note = os.environ.get(NOTE)
        if note is None:
            raise Preempted(EXIT_CODE)
        if os.environ.get('LOCAL_RANK', '0') == '0':  # once on each machine
            Path(note).write_text(f'{EXIT_CODE}\n')
        raise Preempted(0)

    def _save(self, runner: Any, iteration: int) -> str | None:
        """Save, and return what went wrong, if anything."""
        hook, hub = _saving_hook(runner), runner.message_hub
        if hook is None:
            return 'there is no CheckpointHook'
        previous = None
        if hook.by_epoch:
            # The run ends here: the hook need not be put back as it was.
            hook.by_epoch, hook.filename_tmpl, hook.max_keep_ckpts = (
                False,
                'iter_{}.pth',
                0,
            )
            previous = hub.runtime_info.get(_INFO)
            hub.update_info(_INFO, iteration)
        meta = dict(epoch=runner.epoch, iter=iteration)
        if isinstance(hook, VerifiedCheckpointHook):
            problem = hook.save_within(runner, iteration, meta, self.patience)
            if problem is not None:
                return problem
        else:
            hook._save_checkpoint_with_step(runner, iteration, meta=meta)
        if previous not in (None, iteration) and is_main_process():
            Path(hook.out_dir, f'iter_{previous:d}.pth').unlink(missing_ok=True)
        return None


def _saving_hook(runner: Any) -> Any:
    hooks = (hook for hook in runner.hooks if isinstance(hook, CheckpointHook))
    return next(hooks, None)


def _resumes_from(runner: Any) -> str | None:
    """The checkpoint that the run saved last, or else was resumed from itself."""
    hook = _saving_hook(runner)
    if hook is None:
        return None  # a run that saves nothing would be started again for ever
    path = hook.last_ckpt
    if path is None and runner._resume:
        path = runner._load_from or pointed_at(runner.work_dir)
    return f"'{path}'" if path else None
