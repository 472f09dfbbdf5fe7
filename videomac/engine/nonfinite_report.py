"""What is known about batches with numbers that are not finite, written to a folder."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.structures import BaseDataElement
from torch import Tensor

from .checkpoint_files import write_durably

__all__ = ['BatchRecord', 'StepRecord', 'write_report']


@dataclasses.dataclass
class BatchRecord:
    """A batch that an optimiser step was made from."""

    #: Iteration of the run, from 1, as in the log.
    iteration: int
    #: Number of the batch that the loop gave.
    batch_idx: int
    #: What the loader made of the samples but the tensors.
    data_samples: Any
    #: Its loss as it went into the backward pass, divided by accumulated batches.
    loss: float | None = None

    @classmethod
    def of(cls, iteration: int, batch_idx: int, data_batch: Any) -> BatchRecord:
        """Note a batch, without its tensors, which may be large.

        Args:
            iteration: Iteration of the run, from 0.
            batch_idx: Number of the batch that the loop gave.
            data_batch: What the loader made.
        """
        batch = data_batch if isinstance(data_batch, Mapping) else {}
        return cls(iteration + 1, batch_idx, batch.get('data_samples'))

    def described(self) -> dict[str, Any]:
        """Say which samples it has.

        Returns:
            ``iteration``, ``batch_idx``, ``loss`` and ``samples``, a list with the
            metainfo of each sample: names of videos or files, numbers of frames.
        """
        samples = self.data_samples
        if not isinstance(samples, (list, tuple)):
            samples = [] if samples is None else [samples]
        return dict(
            iteration=self.iteration,
            batch_idx=self.batch_idx,
            loss=self.loss,
            samples=[
                dict(each.metainfo_items()) if isinstance(each, BaseDataElement) else {}
                for each in samples
            ],
        )


@dataclasses.dataclass
class StepRecord:
    """An optimiser step that was skipped."""

    #: Iteration of the run, from 1, as in the log.
    iteration: int
    #: What was not finite in this process: ``loss``, ``gradient``, ``buffer``.
    reasons: list[str]
    #: Names of the parameters whose gradient was not.
    gradients: list[str]
    #: The batches of the step (several with gradient accumulation), described.
    batches: list[dict[str, Any]]
    #: The values logged last before it: losses, learning rate, norm of the gradient.
    scalars: dict[str, float]


def write_report(runner: Any, records: list[StepRecord], data_batch: Any) -> Path:
    """Write what is needed to look into the matter, in every process.

    The folder gets ``rank<r>.json`` (records, config, seed, scale of the loss)
    and ``rank<r>.npz`` (the tensors of the last batch as the loader made them). What
    cannot be written is left out with a warning: the error that follows matters more.

    Args:
        runner: The runner.
        records: The skipped steps, the last one last.
        data_batch: The last batch.

    Returns:
        The folder, ``<work_dir>/nonfinite_iter_<iteration>``.
    """
    folder = Path(runner.work_dir, f'nonfinite_iter_{runner.iter + 1}')
    scaler = getattr(runner.optim_wrapper, 'loss_scaler', None)
    report = dict(
        iteration=runner.iter + 1,
        epoch=runner.epoch,
        rank=runner.rank,
        world_size=runner.world_size,
        seed=runner.seed,
        loss_scale=None if scaler is None else scaler.get_scale(),
        skipped_steps=[dataclasses.asdict(record) for record in records],
        config=runner.cfg.pretty_text,
    )
    text = json.dumps(report, indent=1, default=str)
    try:
        write_durably(folder / f'rank{runner.rank}.json', text.encode())
        arrays = _arrays(data_batch)
        if arrays:
            buffer = io.BytesIO()
            np.savez(buffer, **arrays)
            write_durably(folder / f'rank{runner.rank}.npz', buffer.getvalue())
    except OSError as error:
        runner.logger.warning(f"the report in '{folder}' is not complete: {error}")
    return folder


def _arrays(data_batch: Any) -> dict[str, Any]:
    """The tensors of a batch as arrays, by name; lists of tensors get numbers."""
    arrays: dict[str, Any] = {}
    for name, value in data_batch.items() if isinstance(data_batch, Mapping) else ():
        values = value if isinstance(value, (list, tuple)) else [value]
        for number, each in enumerate(values):
            if isinstance(each, Tensor):
                key = name if len(values) == 1 else f'{name}_{number}'
                each = each.detach().cpu()
                whole = each.float() if each.is_floating_point() else each
                arrays[key] = whole.numpy()
    return arrays
