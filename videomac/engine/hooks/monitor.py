"""What a training run does with its time and memory."""

from __future__ import annotations

import logging
import multiprocessing
import os
from typing import Any

import torch
from mmengine.dist import get_world_size
from mmengine.hooks import Hook, LoggerHook
from mmengine.logging import print_log

from ...registry import HOOKS
from ...utils.memory import resident_memory

__all__ = ['MonitorHook']

_GIBI = 2**30
_INTERVAL = 50  # iterations, where no logger says otherwise


@HOOKS.register_module()
class MonitorHook(Hook):
    """Log how fast a run is, what it waits for and what it holds.

    The figures go with the losses to every writer of the visualiser (JSON, TensorBoard,
    Weights & Biases, ...), below ``train/``:

    - ``data_share``: share of the time in which the loop waited for data, in 0..1;
    - ``samples_per_second``: of all processes; a sample is a pair of frames;
    - ``visible_gflops``: 1e9 multiply-adds of convolutions and linear layers a second, of
      visible patches alone, forward and backward, of all processes. Counted in the first
      step; left out when the step is compiled;
    - ``gradient_norm``: 2-norm of the whole gradient as the optimiser gets it, in the
      last step of the interval; left out when gradients are clipped, since then mmengine
      logs ``grad_norm``;
    - ``rss_gib`` and ``workers_gib``: memory of this process and the sum of its workers',
      in GiB, pages that they share counted in each;
    - ``cuda_gib`` and ``cuda_reserved_gib``: largest memory of tensors so far, and of
      torch's cache, in GiB, on this process's GPU.

    All but the first three are of the main process only. mmengine's timer must come
    before this hook, as in ``default_hooks`` it does.

    Args:
        interval: Iterations between two records; by default those of the LoggerHook.
        most_waiting: Share of time for data above which there is a warning, once a run,
            that says what to change. The first interval, in which workers start, is free.

    Raises:
        ValueError: ``interval`` is below 1 or ``most_waiting`` not in (0, 1].
    """

    def __init__(self, interval: int | None = None, most_waiting: float = 0.2) -> None:
        if interval is not None and interval < 1:
            raise ValueError(f'interval must be at least 1, got {interval!r}')
        if not 0 < most_waiting <= 1:
            raise ValueError(f'most_waiting must be in (0, 1], got {most_waiting!r}')
        self.interval = interval or _INTERVAL
        self._follows_logger = interval is None
        self.most_waiting = most_waiting
        self._handles: list[Any] = []
        self._reset()

    def _reset(self) -> None:
        self._records = 0
        self._samples = 0
        self._iterations = 0
        self._warned = False
        self._wants_norm = False
        self._norm: torch.Tensor | None = None
        self._work: float | None = None  # multiply-adds of one sample

    def before_train(self, runner: Any) -> None:
        """Begin to watch the optimiser, and count the work of the first step."""
        self._reset()
        if self._follows_logger:
            loggers = (h.interval for h in runner.hooks if isinstance(h, LoggerHook))
            self.interval = next(loggers, _INTERVAL)
        optimizer = getattr(runner.optim_wrapper, 'optimizer', None)
        clipped = getattr(runner.optim_wrapper, 'clip_grad_kwargs', None)
        if isinstance(optimizer, torch.optim.Optimizer) and not clipped:
            self._handles = [optimizer.register_step_pre_hook(self._before_step)]
        # A compiled step lies in the instance; a mode around it would recompile it.
        if 'train_step' not in vars(runner.model):
            self._count_first_step(runner.model)

    def after_train(self, runner: Any) -> None:
        """Leave the optimiser alone."""
        while self._handles:
            self._handles.pop().remove()

    def before_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Ask for the norm of the gradient in the last steps of an interval."""
        steps = getattr(runner.optim_wrapper, '_accumulative_counts', 1)
        if (runner.iter + steps) % self.interval < steps:
            self._wants_norm = True

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Record the figures at the end of each interval."""
        inputs = data_batch.get('inputs') if isinstance(data_batch, dict) else None
        self._samples += 0 if inputs is None else len(inputs)
        self._iterations += 1
        if not self.every_n_train_iters(runner, self.interval):
            return
        figures = {**self._speed(runner), **self._memory()}
        if self._norm is not None:
            figures['gradient_norm'] = float(self._norm)
        for name, value in figures.items():
            runner.message_hub.update_scalar(f'train/{name}', value)
        share = figures.get('data_share')
        if share is not None and share > self.most_waiting and self._records:
            self._warn(runner, share)
        self._records += 1
        self._samples = self._iterations = 0
        self._wants_norm = False
        self._norm = None

    def _speed(self, runner: Any) -> dict[str, float]:
        """Rates over the iterations since the last record."""
        hub, number = runner.message_hub, self._iterations
        if (
            'train/time' not in hub.log_scalars
            or 'train/data_time' not in hub.log_scalars
        ):
            return {}
        seconds = hub.get_scalar('train/time').mean(number) * number
        waited = hub.get_scalar('train/data_time').mean(number) * number
        if seconds <= 0:
            return {}
        figures = {'data_share': min(1.0, waited / seconds)}
        rate = self._samples * get_world_size() / seconds
        if rate:
            figures['samples_per_second'] = rate
        if rate and self._work:
            figures['visible_gflops'] = rate * self._work / 1e9
        return figures

    @staticmethod
    def _memory() -> dict[str, float]:
        """Memory of this process, its workers and its GPU, in GiB."""
        figures = {}
        own = resident_memory()
        if own is not None:
            figures['rss_gib'] = own / _GIBI
        workers = [
            resident_memory(p.pid) for p in multiprocessing.active_children() if p.pid
        ]
        if any(workers):
            figures['workers_gib'] = sum(size or 0 for size in workers) / _GIBI
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            figures['cuda_gib'] = torch.cuda.max_memory_allocated() / _GIBI
            figures['cuda_reserved_gib'] = torch.cuda.max_memory_reserved() / _GIBI
        return figures

    def _before_step(self, optimizer: torch.optim.Optimizer, *args: Any) -> None:
        """Measure the gradient; the value stays on its device until it is recorded."""
        if not self._wants_norm:
            return
        gradients = [
            parameter.grad
            for group in optimizer.param_groups
            for parameter in group['params']
            if parameter.grad is not None
        ]
        self._norm = torch.nn.utils.get_total_norm(gradients)
        # A fused optimiser removes the scale of the loss itself, in the step.
        scale = getattr(optimizer, 'grad_scale', None)
        if scale is not None:
            self._norm = self._norm / scale

    def _count_first_step(self, model: Any) -> None:
        """Replace the model's step by one that counts, until it has run once."""
        from ...analysis.flops import MultiplyAddCounter

        step = model.train_step

        def counted(data: Any, *args: Any, **kwargs: Any) -> Any:
            del model.train_step  # shows the class's own again
            with MultiplyAddCounter() as counter:
                losses = step(data, *args, **kwargs)
            inputs = data.get('inputs') if isinstance(data, dict) else None
            if inputs is not None and len(inputs):
                self._work = (counter.forward + counter.backward) / len(inputs)
            return losses

        model.train_step = counted

    def _warn(self, runner: Any, share: float) -> None:
        """Say once that loading is too slow, and what to change."""
        if self._warned:
            return
        self._warned = True
        from ...datasets.decoding import best_decoder

        loader = runner.train_dataloader
        has = getattr(os, 'sched_getaffinity', None)
        cores = len(has(0)) if has else os.cpu_count() or 1
        advice = [
            f'raise train_dataloader.num_workers, now {loader.num_workers} (this process '
            f'may use {cores} CPU cores)'
        ]
        if best_decoder() != 'turbojpeg':
            advice.append(
                f'frames are decoded by {best_decoder()}: install a faster decoder (pip '
                'install turbojpeg)'
            )
        advice += [
            'begin the pipeline with FramesRandomResizedCrop, which decodes no more than '
            'the crop',
            'if the disk is slow, pack the frames (tools/pack_frames.py)',
            'take several crops of each pair (repeats of FramePairDataset)',
        ]
        print_log(
            f'the training waits for data in {share:.0%} of its time, more than '
            f'{self.most_waiting:.0%}. What helps: {"; ".join(advice)}. See '
            'docs/en/loading.md',
            'current',
            logging.WARNING,
        )
