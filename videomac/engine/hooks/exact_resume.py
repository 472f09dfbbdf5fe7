"""A resumed run goes on bit for bit where it stopped."""

from __future__ import annotations

from typing import Any

from mmengine.dataset import InfiniteSampler
from mmengine.hooks import Hook

from ...checkpoints.files import UnusableCheckpointError
from ...registry import HOOKS
from ...utils.config_difference import config_difference, flatten_config
from ...utils.randomness import mixed_seed, seed_generators
from ..loops import batches_of, root_seed
from ..process_state import State, gather_states, restore_state
from .finite_guard import FiniteGuardHook

__all__ = ['ExactResumeHook', 'ResumeError']

_KEY = 'exact_resume'
# Parts of a config that say where and how to start, not what to train.
_IGNORED = ('resume', 'load_from', 'launcher', 'work_dir')


class ResumeError(UnusableCheckpointError):
    """A checkpoint from which this run cannot go on as it was."""


@HOOKS.register_module()
class ExactResumeHook(Hook):
    """Make N iterations, a stop and M more equal N + M iterations, bit for bit.

    Masks, dropout and the like are drawn from generators that are seeded at each
    iteration with the run's seed, the iteration and the rank; samples from such that are
    seeded with the run's seed and their place in the data (see
    :class:`~videomac.datasets.resumable_loader.ResumableBatches`). So no state of a
    generator is stored. What is: the place in the data, and what differs between
    processes (:mod:`videomac.engine.process_state`).

    When a run is resumed, the differences between its config and that of the checkpoint
    are printed.
    """

    # Nobody may draw before the generators are seeded.
    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self._seed = 0
        self._states: list[State] | None = None
        self._saved: dict[str, Any] | None = None

    def before_run(self, runner: Any) -> None:
        """Gather the states of all processes whenever a checkpoint is saved."""
        self._seed = root_seed(runner)
        save = runner.save_checkpoint

        # mmengine calls this in all processes, but its hooks in the first one only.
        def save_checkpoint(*args: Any, **kwargs: Any) -> Any:
            # Once for an iteration: the first process may try to save several times.
            if self._states is None:
                step = guard.step_state() if (guard := _guard_of(runner)) else {}
                self._states = gather_states(runner.model, step)
            return save(*args, **kwargs)

        runner.save_checkpoint = save_checkpoint

    def before_train(self, runner: Any) -> None:
        """Put back what differs between processes; the weights are there by now."""
        saved, self._saved = self._saved, None
        if saved is not None and len(saved['states']) == runner.world_size:
            restore_state(runner.model, saved['states'][runner.rank])

    def before_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Seed the generators for this iteration."""
        self._states = None
        self._seed_generators(runner, 'iteration')

    def before_val_epoch(self, runner: Any) -> None:
        """Seed the generators for a validation in the course of a training."""
        if self._is_training(runner):
            self._seed_generators(runner, 'validation')

    def after_val_epoch(self, runner: Any, metrics: Any = None) -> None:
        """A checkpoint of the best weights, saved next, is validated already."""
        if self._is_training(runner):
            runner.train_loop.validation_due = False

    @staticmethod
    def _is_training(runner: Any) -> bool:
        # runner.train_loop would build the loop.
        return hasattr(runner._train_loop, 'dataloader')

    def _seed_generators(self, runner: Any, what: str) -> None:
        seed_generators(mixed_seed(self._seed, what, runner.iter, runner.rank))

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Add the place in the data and the states of all processes."""
        loop, batches = runner.train_loop, batches_of(runner.train_loop)
        checkpoint[_KEY] = {
            'seed': self._seed,
            'order_seed': batches.order_seed if batches else None,
            'data_pass': getattr(loop, 'data_pass', 0),
            'data_batch': getattr(loop, 'data_batch', 0),
            'validation_due': getattr(loop, 'validation_due', False),
            'layout': _layout(runner),
            'states': self._states or [],
            'config': flatten_config(runner.cfg.to_dict()),
        }

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Go to the place in the data, and say what is not as it was.

        Raises:
            ResumeError: The checkpoint holds weights only, or the run cannot go on in
                the middle of the data with this config.
        """
        if not runner._resume or not self._is_training(runner):
            return
        meta = checkpoint.get('meta', {})
        if 'iter' not in meta or 'epoch' not in meta:
            raise ResumeError(
                'the checkpoint holds no state of a training, such as its iteration. To '
                'start from its weights, set load_from to it and leave out --resume'
            )
        # mmengine would run what it finds there as Python code.
        meta.pop('config', None)
        saved = checkpoint.pop(_KEY, None)
        if saved is None:
            self._go_on_inexactly(runner, meta)
            return
        self._report_changes(runner, saved['config'])
        _check_layout(runner, saved)
        self._saved = saved
        self._restore_step(runner, saved['states'])
        self._seed = saved['seed']
        loop, batches = runner.train_loop, batches_of(runner.train_loop)
        if batches is not None:
            batches.seed = saved['seed']
            if saved['order_seed'] is not None:
                batches.order_seed = saved['order_seed']
        for name in ('data_pass', 'data_batch', 'validation_due'):
            setattr(loop, name, saved[name])

    @staticmethod
    def _restore_step(runner: Any, states: list[State]) -> None:
        """Hand a step that waited for batches to the guard, before it starts."""
        guard = _guard_of(runner)
        if guard is not None and len(states) == runner.world_size:
            # Older checkpoints have none.
            guard.resume_step(states[runner.rank].get('step', {}))

    @staticmethod
    def _go_on_inexactly(runner: Any, meta: dict[str, Any]) -> None:
        """Resume from a checkpoint that was saved without this hook."""
        runner.logger.warning(
            'the checkpoint was saved without ExactResumeHook: the run goes on, but not '
            'exactly as it would have without a stop'
        )
        batches = batches_of(runner.train_loop)
        if batches is None or hasattr(runner.train_loop, 'run_epoch'):
            return
        # The place in the data follows from the iteration.
        place = (0, meta['iter'])
        if not isinstance(batches.sampler, InfiniteSampler) and len(batches):
            place = divmod(meta['iter'], len(batches))
        runner.train_loop.data_pass, runner.train_loop.data_batch = place

    @staticmethod
    def _report_changes(runner: Any, old: dict[str, str]) -> None:
        lines = config_difference(old, flatten_config(runner.cfg.to_dict()), _IGNORED)
        if lines:
            listed = ''.join(f'\n  {line}' for line in lines)
            runner.logger.warning(
                'resuming under a config other than that of the checkpoint '
                f'(key: old -> new):{listed}'
            )


def _guard_of(runner: Any) -> FiniteGuardHook | None:
    guards = (hook for hook in runner.hooks if isinstance(hook, FiniteGuardHook))
    return next(guards, None)


def _layout(runner: Any) -> dict[str, Any]:
    """What the place in the data means: how many samples are dealt out how."""
    loader, batches = runner.train_loop.dataloader, batches_of(runner.train_loop)
    return {
        'processes': runner.world_size,
        'batch_size': batches.batch_size if batches else loader.batch_size,
        'samples': len(loader.dataset) if batches else None,
    }


def _check_layout(runner: Any, saved: dict[str, Any]) -> None:
    """Refuse what cannot go on, warn of what does not go on exactly.

    Raises:
        ResumeError: The number of samples in an iteration is another one; or gradients
            of other processes wait; or the data changed in the middle of a pass.
    """
    old, new = saved['layout'], _layout(runner)
    if old == new:
        return
    totals = [layout['processes'] * (layout['batch_size'] or 1) for layout in (old, new)]
    if totals[0] != totals[1]:
        raise ResumeError(
            f'the checkpoint was saved by {old["processes"]} process(es) with a batch of '
            f'{old["batch_size"]} each, {totals[0]} samples an iteration; now there are '
            f'{new["processes"]} with {new["batch_size"]}, {totals[1]} samples. '
            'Epochs and learning rates are counted in iterations, so the run cannot go '
            'on like this: start as many processes as before, or set '
            f'train_dataloader.batch_size to {totals[0]} / processes'
        )
    waiting = any(state['gradients'] for state in saved['states'])
    if old['processes'] != new['processes'] and waiting:
        raise ResumeError(
            'the checkpoint was saved between two steps of the optimiser (gradient '
            f'accumulation), and holds gradients of {old["processes"]} process(es); '
            f'there are {new["processes"]} now. Start as many as before'
        )
    if old['samples'] != new['samples'] and saved['data_batch']:
        raise ResumeError(
            f'the training data had {old["samples"]} samples and has {new["samples"]} '
            f'now, and the checkpoint was saved in the middle of a pass over them (after '
            f'batch {saved["data_batch"]}). Restore the data, resume from the end of an '
            'epoch, or start anew from these weights with load_from'
        )
    changes = [f'{key} {old[key]} -> {new[key]}' for key in old if old[key] != new[key]]
    runner.logger.warning(
        f'resuming with {", ".join(changes)}: the run goes on, but not exactly as it '
        'would have without a stop'
    )
