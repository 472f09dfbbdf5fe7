"""The scalars of a whole run, which may have been stopped and resumed."""

from __future__ import annotations

import os
from pathlib import Path

from .log_records import Scalars, collect_scalars, join_records, read_records

__all__ = ['read_run', 'scalar_files']

LOG = 'vis_data/scalars.json'


def scalar_files(run: str | os.PathLike[str]) -> list[Path]:
    """Find the logs of a run, oldest first.

    Args:
        run: A work dir, the folder of one start of it (``<work_dir>/<timestamp>``), or
            a ``scalars.json``.

    Raises:
        FileNotFoundError: There is none.
    """
    path = Path(run)
    if path.is_file():
        return [path]
    own = [path / LOG, path / 'scalars.json']
    found = [file for file in own if file.is_file()] or sorted(path.glob(f'*/{LOG}'))
    if found:
        return found
    what = 'has no log in it' if path.is_dir() else 'does not exist'
    raise FileNotFoundError(
        f"'{run}' {what}: expected a work dir of training with <timestamp>/{LOG}, which "
        'is written from the first log interval on'
    )


def read_run(run: str | os.PathLike[str]) -> Scalars:
    """Read the scalars of a run over all its starts.

    Args:
        run: See :func:`scalar_files`.

    Returns:
        As :func:`read_scalars` does. What a later start did again counts once.

    Raises:
        FileNotFoundError: There is no log.
        ValueError: No log can be read.
    """
    starts, errors = [], []
    for file in scalar_files(run):
        try:
            starts.append(read_records(file))
        except ValueError as error:  # a start that was stopped before it logged
            errors.append(str(error))
    if not starts:
        raise ValueError(errors[-1])
    return collect_scalars(join_records(starts))
