"""Tasks in processes, and progress."""

import os
from collections.abc import Callable

import pytest

from videomac.datasets.preparation.progress import Progress, seconds_left
from videomac.datasets.preparation.tasks import WorkerDiedError, run_tasks


def square(number: int, advance: Callable[[int], None]) -> int:
    advance(number)
    return number * number


def fail(number: int, advance: Callable[[int], None]) -> int:
    if number == 3:
        raise OSError('disk full')
    return number


def die(number: int, advance: Callable[[int], None]) -> int:
    os._exit(9)


@pytest.mark.parametrize('processes', [1, 3])
def test_results_and_amounts_of_all_tasks(processes: int) -> None:
    amounts: list[int] = []
    results = run_tasks(square, range(10), processes, amounts.append)
    assert sorted(results) == [n * n for n in range(10)]
    assert sum(amounts) == sum(range(10))


@pytest.mark.parametrize('processes', [1, 2])
def test_errors_reach_the_caller(processes: int) -> None:
    with pytest.raises(OSError, match='disk full'):
        list(run_tasks(fail, range(6), processes))


def test_a_killed_process_is_told_in_words() -> None:
    with pytest.raises(WorkerDiedError, match='goes on where it stopped'):
        list(run_tasks(die, range(4), 2))


def test_there_must_be_a_process() -> None:
    with pytest.raises(ValueError, match='1 or more, got 0'):
        list(run_tasks(square, [1], 0))


def test_time_left_at_the_mean_speed() -> None:
    assert seconds_left(25, 100, 10.0) == 30.0
    assert seconds_left(100, 100, 10.0) == 0
    assert seconds_left(0, 100, 10.0) is None


def test_progress_ends_with_a_line_in_logs(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress('copying', 2_000_000, of_bytes=True) as progress:
        progress.advance(500_000)
        progress.advance(1_500_000)
    assert capsys.readouterr().err.splitlines() == ['copying: 2 of 2 MB']
