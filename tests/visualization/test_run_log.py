"""Logs of stopped and resumed runs are put together as one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videomac.visualization.log_records import LogRecord, collect_scalars, join_records
from videomac.visualization.run_log import read_run, scalar_files


def write_log(folder: Path, start: int, stop: int, value: float, key: str = 'a') -> Path:
    path = folder / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    lines = [json.dumps({key: value, 'step': k}) for k in range(start, stop)]
    path.write_text(''.join(line + '\n' for line in lines))
    return path


def test_a_resumed_run(tmp_path: Path) -> None:
    """What was done again counts once; an empty start does no harm."""
    write_log(tmp_path / '20260101_000000', 1, 8, 1.0)
    write_log(tmp_path / '20260102_000000', 5, 10, 2.0)
    write_log(tmp_path / '20260103_000000', 0, 0, 3.0)
    expected = [(k, 1.0 if k < 5 else 2.0) for k in range(1, 10)]
    assert read_run(tmp_path) == {'a': expected}
    assert read_run(tmp_path / '20260101_000000')['a'][-1] == (7, 1.0)
    (file,) = scalar_files(tmp_path / '20260102_000000')
    assert read_run(file)['a'][0] == (5, 2.0)


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='has no log in it'):
        read_run(tmp_path)
    with pytest.raises(FileNotFoundError, match='does not exist'):
        read_run(tmp_path / 'none')
    write_log(tmp_path / 'x', 0, 0, 0.0)
    with pytest.raises(ValueError, match='holds no scalars'):
        read_run(tmp_path)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=1, max_size=4))
def test_the_last_start_to_reach_an_iteration_counts(
    starts: list[tuple[int, int]],
) -> None:
    """As writing values into one table would do, cut where a start goes back."""
    table: dict[int, float] = {}
    for i, (begin, length) in enumerate(starts):
        table = {step: value for step, value in table.items() if step < begin}
        table |= {begin + k: float(i) for k in range(length)}
    records = [
        [LogRecord(begin + k, {'a': float(i)}) for k in range(length)]
        for i, (begin, length) in enumerate(starts)
    ]
    assert collect_scalars(join_records(records)) == {'a': sorted(table.items())}
