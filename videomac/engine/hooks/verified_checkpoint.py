"""Saves checkpoints such that a crash, a kill or a full disk never costs the last one."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.optim import OptimWrapperDict
from torch import Tensor

from ...registry import HOOKS
from ..checkpoint_files import (
    POINTER,
    VERIFIED_BACKEND,
    CheckpointError,
    check_folder,
    remove_leftovers,
    write_durably,
)
from ..unwrapped import unwrapped

__all__ = ['VerifiedCheckpointHook', 'checkpoint_size']

#: Seconds between attempts at a checkpoint that cannot wait for the next interval.
PAUSE = 10.0


def checkpoint_size(runner: Any, optimizer: bool = True) -> int:
    """Estimate the bytes of a checkpoint before there is one.

    The state of the optimiser is made by its first step: AdamW and its kin keep two
    numbers for each trained weight, SGD with momentum one; of others nothing is known and
    nothing is counted. So this is a lower bound.

    Args:
        runner: The runner, with model and optimiser built.
        optimizer: Whether the state of the optimiser is saved.
    """
    model = unwrapped(runner.model)
    size = _bytes_of(model.state_dict().values())
    wrapper = runner.optim_wrapper
    wrappers = wrapper.values() if isinstance(wrapper, OptimWrapperDict) else [wrapper]
    for each in wrappers if optimizer else ():
        for group in each.optimizer.param_groups:
            slots = 2 if 'betas' in group else int(bool(group.get('momentum')))
            size += slots * _bytes_of(p for p in group['params'] if p.requires_grad)
    return size


def _bytes_of(values: Iterable[Any]) -> int:
    tensors = (value for value in values if isinstance(value, Tensor))
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


@HOOKS.register_module()
class VerifiedCheckpointHook(CheckpointHook):  # type: ignore[misc]
    """mmengine's ``CheckpointHook`` with files that are whole or not there.

    - A checkpoint is written beside its place, flushed, read back, and renamed; then
      ``last_checkpoint`` names it; only then are outdated ones deleted. So at every
      moment ``last_checkpoint`` names a checkpoint that was good on the disk.
    - Before the training the folder is written to and the free space is compared with the
      size of a checkpoint.
    - If a checkpoint cannot be written later on, training goes on with a warning, older
      checkpoints stay, and the next interval tries again. The last checkpoint of a run
      has no next interval: it is tried again for ``patience`` seconds before the run
      fails.

    Checkpoints on remote storage (``backend_args``, paths with ``://``) are written as
    mmengine writes them.

    Args:
        *args: What :class:`mmengine.hooks.CheckpointHook` takes.
        patience: Seconds to keep trying at the last checkpoint, at least 0.
        **kwargs: What :class:`mmengine.hooks.CheckpointHook` takes.

    Raises:
        ValueError: If ``patience`` is negative.
    """

    backend_args: dict[str, Any] | None
    last_ckpt: str | None

    def __init__(self, *args: Any, patience: float = 300.0, **kwargs: Any) -> None:
        if patience < 0:
            raise ValueError(f'patience must be at least 0 seconds, got {patience}')
        super().__init__(*args, **kwargs)
        self.patience = patience

    def before_train(self, runner: Any) -> None:
        """Check that a checkpoint can be written.

        Raises:
            CheckpointError: In every process, if the folder is not writable or too full.
        """
        local = (
            self.backend_args is None
            and self.file_client_args is None
            and '://' not in str(self.out_dir or runner.work_dir)
        )
        if local:
            self.backend_args = dict(backend=VERIFIED_BACKEND)
        super().before_train(runner)
        if local:
            # The main process alone writes, but all have to stop.
            problem = [self._find_problem(runner) if is_main_process() else None]
            broadcast_object_list(problem)
            if problem[0] is not None:
                raise CheckpointError(problem[0])

    def _find_problem(self, runner: Any) -> str | None:
        """Say why checkpoints cannot be written; warn if the disk is nearly full."""
        size = checkpoint_size(runner, self.save_optimizer)
        try:
            for folder in {runner.work_dir, self.out_dir}:
                remove_leftovers(folder)
                free = check_folder(folder, size if folder == self.out_dir else 0)
                if folder != self.out_dir:
                    continue
                # A new one is there before the oldest goes; those that exist count too.
                wanted = max(self.max_keep_ckpts, 0) + 1
                room = free + len(getattr(self, 'keep_ckpt_ids', ())) * size
                if room < wanted * size:
                    runner.logger.warning(
                        f"'{folder}' has room for {room // size} checkpoints of "
                        f'{size / 1e6:,.1f} MB, and {wanted} are there at a time: saving '
                        'may fail later'
                    )
        except CheckpointError as error:
            return str(error)
        return None

    def _save_checkpoint_with_step(self, runner: Any, step: int, meta: Any) -> None:
        """Save a regular checkpoint; the last one gets several attempts.

        Raises:
            CheckpointError: If the last one cannot be saved.
        """
        last = step >= (runner.max_epochs if self.by_epoch else runner.max_iters)
        problem = self.save_within(
            runner, step, meta, patience=self.patience if last else 0
        )
        if problem is not None and last:
            raise CheckpointError(f'{problem}. It was the last one: the run failed')
        if problem is not None:
            runner.logger.warning(
                f'{problem}. Training goes on; the next interval tries again, and '
                'the checkpoints that exist stay. Make room or repair the folder'
            )

    def save_within(
        self, runner: Any, step: int, meta: Any, patience: float
    ) -> str | None:
        """Save a regular checkpoint, then delete the outdated ones.

        All processes have to call this; the main one writes, and knows how it went.

        Args:
            runner: The runner.
            step: Number of finished epochs or iterations, whichever the hook counts.
            meta: Epoch and iteration, for the file.
            patience: Seconds to keep trying; 0 for a single attempt.

        Returns:
            What went wrong, None if it is saved. If it is not, the checkpoints that exist
            are as they were.
        """
        hub = runner.message_hub
        names = ('keep_ckpt_ids', 'last_ckpt')
        info = {name: hub.get_info(name) for name in names if name in hub.runtime_info}
        last, kept = self.last_ckpt, list(getattr(self, 'keep_ckpt_ids', ()))
        # The list in the file still has the outdated ones: if we are killed before they
        # are deleted, a resumed run does it.
        steps = kept if step in kept[-1:] else [*kept, step]
        filename = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, filename)
        hub.update_info('last_ckpt', self.last_ckpt)
        if self.max_keep_ckpts > 0:
            hub.update_info('keep_ckpt_ids', steps)
        problem = self._try_to_save(runner, filename, meta, patience)
        if problem is not None:
            self.last_ckpt = last
            for name in names:
                hub.pop_info(name, None)
            hub.update_info_dict(info)
            return problem
        if self.max_keep_ckpts > 0:
            for outdated in steps[: -self.max_keep_ckpts]:
                self._remove(self.filename_tmpl.format(outdated))
            self.keep_ckpt_ids.extend(steps[len(kept) :])  # drops those at its front
            hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        return None

    def _try_to_save(
        self, runner: Any, filename: str, meta: Any, patience: float
    ) -> str | None:
        """Write a checkpoint and point to it; see :meth:`save_within`."""
        deadline = time.monotonic() + patience
        while True:
            try:
                self._save(runner, filename, meta)
                return None
            except OSError as error:
                problem = f"'{filename}' not saved in '{self.out_dir}': {error}"
            if time.monotonic() >= deadline:
                return problem
            runner.logger.warning(f'{problem}. Trying again in {PAUSE:.0f} s')
            time.sleep(PAUSE)

    def _save(self, runner: Any, filename: str, meta: Any) -> None:
        """Write a checkpoint and point to it.

        Raises:
            OSError: If that fails.
        """
        runner.save_checkpoint(
            self.out_dir,
            filename,
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if is_main_process():
            pointer = Path(runner.work_dir, POINTER)
            write_durably(pointer, os.fsencode(str(self.last_ckpt)))

    def _remove(self, path: str) -> None:
        """Delete a checkpoint of the out dir, in the main process."""
        path = self.file_backend.join_path(self.out_dir, path)
        if is_main_process() and self.file_backend.isfile(path):
            try:
                self.file_backend.remove(path)
            except OSError as error:
                logging.getLogger('mmengine').warning(
                    f"outdated checkpoint '{path}' not deleted: {error}"
                )

    def _save_best_checkpoint(self, runner: Any, metrics: dict[str, Any]) -> None:
        """Save the best checkpoints, then delete those that they replace."""
        if not self.save_best:
            return
        info = _best_info(runner)
        old = self._best_paths
        # mmengine would delete them first.
        self._best_paths = dict.fromkeys(old)
        try:
            super()._save_best_checkpoint(runner, metrics)
        except OSError as error:
            self._best_paths = old
            for name in _best_info(runner):
                runner.message_hub.pop_info(name)
            runner.message_hub.update_info_dict(info)
            runner.logger.warning(
                f"best checkpoint not saved in '{self.out_dir}': {error}. Training goes "
                'on, and the one that exists stays the best'
            )
            return
        new = self._best_paths
        self._best_paths = {name: path or old.get(name) for name, path in new.items()}
        for name, path in old.items():
            if path and new[name] and new[name] != path:
                self._remove(path)

    @property
    def _best_paths(self) -> dict[str, str | None]:
        """The best checkpoints by metric; mmengine keeps a single one under no name."""
        if len(self.key_indicators) == 1:
            return {'': self.best_ckpt_path}
        return dict(self.best_ckpt_path_dict)

    @_best_paths.setter
    def _best_paths(self, paths: dict[str, str | None]) -> None:
        if '' in paths:
            self.best_ckpt_path = paths['']
        else:
            self.best_ckpt_path_dict = paths


def _best_info(runner: Any) -> dict[str, Any]:
    """What the message hub knows about the best checkpoints."""
    info = runner.message_hub.runtime_info
    return {name: value for name, value in info.items() if name.startswith('best_')}
