"""Lines of mmengine's logs, and the curves that they make up."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from mmengine.logging import print_log

__all__ = ['LogRecord', 'Scalars', 'collect_scalars', 'join_records', 'read_records']

#: Name of a scalar and its values as (iteration, value), in the order of the log.
Scalars = dict[str, list[tuple[int, float]]]

TRAINING = 'iter'  # mmengine writes it in lines of training and in no others


class LogRecord(NamedTuple):
    """A line of a log.

    Attributes:
        step: As logged: the iteration in lines of training; the epoch or the iteration
            in those of validation.
        values: Numbers by their names, at least one.
    """

    step: int
    values: dict[str, float]


def read_records(path: str | Path) -> list[LogRecord]:
    """Read what mmengine's LocalVisBackend wrote.

    Args:
        path: ``<work_dir>/<timestamp>/vis_data/scalars.json``: a JSON object a line,
            each with a ``step``. Lines that are none, such as the last one of a run
            that was killed while writing, are counted, reported and passed over.

    Returns:
        The lines with numbers, in the order of the file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: No line can be read.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(
            f"there is no log '{file}'; expected "
            '<work_dir>/<timestamp>/vis_data/scalars.json, which a run writes from its '
            'first log interval on if its vis_backends include LocalVisBackend'
        )
    records: list[LogRecord] = []
    bad: list[int] = []
    lines = file.read_text(encoding='utf-8', errors='replace').splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = _parse(line)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            bad.append(number)
            continue
        if record.values:
            records.append(record)
    if bad:
        print_log(
            f'{file}: passed over {len(bad)} of {len(lines)} lines that are no JSON '
            f'object with a step (first: line {bad[0]})',
            'current',
            logging.WARNING,
        )
    if not records:
        raise ValueError(f"'{file}' holds no scalars: was it written by a training run?")
    return records


def _parse(line: str) -> LogRecord:
    content = json.loads(line)
    step = int(content.pop('step'))
    numbers = {k: float(v) for k, v in content.items() if isinstance(v, (int, float))}
    return LogRecord(step, numbers)


def join_records(starts: Sequence[Sequence[LogRecord]]) -> list[LogRecord]:
    """Put the records of a run's starts together.

    A start that goes back to an earlier iteration takes the place of what was there and
    of what came after it; a validation that begins it, of the same one before.

    Args:
        starts: Of each start, oldest first.
    """
    trains = _tell_training([record for start in starts for record in start])
    joined: list[LogRecord] = []
    for start in starts:
        begin = min((each.step for each in start if trains(each)), default=math.inf)
        # By order, as the steps of validation may be epochs.
        for i, record in enumerate(joined):
            if trains(record) and record.step >= begin:
                del joined[i:]
                break
        again = {each.step for each in takewhile(lambda r: not trains(r), start)}
        while joined and joined[-1].step in again and not trains(joined[-1]):
            joined.pop()
        joined += start
    return joined


def collect_scalars(records: Sequence[LogRecord]) -> Scalars:
    """Make curves of records, all over the iterations of training.

    Validation logs its epochs as steps, and some names that training has, too, such as
    ``time``. Its values are put where the training was: at the last iteration that was
    logged before, or later if its own steps are iterations. Such names begin with
    ``val/``.

    Args:
        records: In the order of the log. Where no line has an ``iter``, as in logs that
            mmengine's LoggerHook did not write, all are lines of training.

    Returns:
        For each scalar its steps and values.
    """
    trains = _tell_training(records)
    shared = {name for each in records if trains(each) for name in each.values}
    scalars: Scalars = {}
    last = _first_iteration(records, trains)
    for record in records:
        training = trains(record)
        step = record.step if training else max(record.step, last)
        last = step if training else last
        for name, value in record.values.items():
            key = f'val/{name}' if name in shared and not training else name
            scalars.setdefault(key, []).append((step, value))
    return scalars


def _tell_training(records: Sequence[LogRecord]) -> Callable[[LogRecord], bool]:
    """What tells lines of training from others; all are where none is marked."""
    marked = any(TRAINING in record.values for record in records)
    return lambda record: not marked or TRAINING in record.values


def _first_iteration(
    records: Sequence[LogRecord], trains: Callable[[LogRecord], bool]
) -> int:
    """Least iteration of validation: a resumed start may begin with that of an epoch."""
    steps = [record.step for record in records if trains(record)]
    last = 0
    for record in records:
        if trains(record):
            last = record.step
        elif record.step < last:  # steps of validation are epochs
            return steps[0]
    return 0
