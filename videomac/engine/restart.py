"""Where a run starts: at the beginning, or where it stopped."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from .checkpoint_files import newest_intact, refuse_flipped

__all__ = ['STARTED', 'choose_start', 'is_first_process', 'was_restarted']

#: File of a work dir that is as old as the run: its first start writes it.
STARTED = 'started'

_RANKS = ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK')
_RESTARTS = ('TORCHELASTIC_RESTART_COUNT', 'SLURM_RESTART_COUNT')


def is_first_process(env: Mapping[str, str] = os.environ) -> bool:
    """Whether this is the first process of a run, before they can talk."""
    return next((env[name] for name in _RANKS if env.get(name)), '0') == '0'


def was_restarted(env: Mapping[str, str] = os.environ) -> bool:
    """Whether ``torchrun`` or Slurm has started the run again by itself."""
    return any(int(env.get(name) or 0) > 0 for name in _RESTARTS)


def choose_start(
    cfg: Any, newest: bool = False, env: Mapping[str, str] = os.environ
) -> None:
    """Decide where a run starts, say so, and set ``resume`` and ``load_from``.

    A run that ``torchrun`` or Slurm started again goes on from the newest checkpoint
    that it has saved itself, whatever its arguments say; checkpoints that were in its
    work dir before do not count unless it was to resume from them.

    Args:
        cfg: Config of the run, changed in place.
        newest: Whether to resume from the newest checkpoint in the work dir. If there is
            none, the run starts as the config says.
        env: The environment, of which the ranks and the counts of restarts are read.

    Raises:
        CheckpointError: All checkpoints of the work dir are damaged, or the one that is
            named is.
    """
    newest = newest or bool(cfg.get('resume') and cfg.get('load_from') is None)
    restarted = was_restarted(env)
    marker = Path(cfg.work_dir, STARTED)
    found = newest_intact(cfg.work_dir) if newest or restarted else None
    if restarted:
        if found is not None and (newest or _is_younger(found, marker)):
            _say(f"started again by the scheduler: going on from '{found}'")
            cfg.resume, cfg.load_from = True, found
            return
        _say('started again by the scheduler, but the run has saved no checkpoint yet')
    # The first start may have ended before it came here, or have been that of another
    # training of the same job.
    if is_first_process(env) and not (restarted and marker.exists()):
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.write_text(time.strftime('%Y-%m-%d %H:%M:%S\n'))
    if not newest:
        if cfg.get('resume'):
            refuse_flipped(cfg.load_from)
        return
    cfg.resume = found is not None
    if found is not None:
        cfg.load_from = found
        _say(f"resuming from '{found}'")
    else:
        _say(f"nothing to resume in '{cfg.work_dir}': starting from the beginning")


def _is_younger(checkpoint: str, marker: Path) -> bool:
    try:
        return Path(checkpoint).stat().st_mtime >= marker.stat().st_mtime
    except OSError:  # no marker, or a checkpoint on remote storage
        return False


def _say(message: str) -> None:
    if is_first_process():
        print_log(message, level=logging.WARNING)
