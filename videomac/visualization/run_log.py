"""The scalars of a whole run, which may have been stopped and resumed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from .curves import Scalars, read_scalars

__all__ = ['join_scalars', 'read_run', 'scalar_files']

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
    """Read the scalars of a run over all its starts; see :func:`scalar_files`.

    Raises:
        FileNotFoundError: There is no log.
        ValueError: No log can be read.
    """
    parts, errors = [], []
    for file in scalar_files(run):
        try:
            parts.append(read_scalars(file))
        except ValueError as error:  # a start that was stopped before it logged
            errors.append(str(error))
    if not parts:
        raise ValueError(errors[-1])
    return join_scalars(parts)


def join_scalars(parts: Sequence[Scalars]) -> Scalars:
    """Put the scalars of a run's starts together.

    A start that goes back to an earlier iteration takes the place of what was there.

    Args:
        parts: Of each start, oldest first.
    """
    joined: Scalars = {}
    for part in parts:
        begin = min(step for curve in part.values() for step, _ in curve)
        for name in joined:
            joined[name] = [point for point in joined[name] if point[0] < begin]
        for name, curve in part.items():
            joined[name] = joined.get(name, []) + curve
    return {name: curve for name, curve in joined.items() if curve}
