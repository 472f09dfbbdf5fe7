"""Tasks in processes, and progress."""

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

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


def tell_and_sleep(path: str, advance: Callable[[int], None]) -> None:
    Path(f'{path}.{os.getpid()}').touch()
    time.sleep(60)


def start_and_wait(path: str) -> None:
    list(run_tasks(tell_and_sleep, [path, path], 2))


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return '\nState:\tZ' not in Path(f'/proc/{process}/status').read_text()


@pytest.mark.skipif(not Path('/proc/self/status').exists(), reason='needs Linux')
def test_processes_end_with_a_killed_parent(tmp_path: Path) -> None:
    parent = multiprocessing.get_context('fork').Process(
        target=start_and_wait, args=(str(tmp_path / 'child'),)
    )
    parent.start()
    while len(children := list(tmp_path.iterdir())) < 2:
        time.sleep(0.05)
    parent.kill()
    parent.join()
    left = {int(path.suffix[1:]) for path in children}
    for _ in range(200):
        left = {process for process in left if is_running(process)}
        if not left:
            return
        time.sleep(0.1)
    pytest.fail(f'processes {left} outlive their parent')


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


AFTER_OPENCV = """
import cv2
import numpy as np

from videomac.datasets.preparation.tasks import run_tasks

if __name__ == '__main__':
    cv2.setNumThreads(4)
    cv2.GaussianBlur(np.zeros((2000, 2000, 3), np.uint8), (31, 31), 5)
    print(sorted(run_tasks(pow_of_two, range(4), 2)), cv2.getNumThreads())
"""


def test_processes_begin_after_opencv_had_threads(tmp_path: Path) -> None:
    # A forked process that asked OpenCV for fewer threads waited for ever.
    function = 'def pow_of_two(n, advance):\n    return 2**n\n'
    script = tmp_path / 'script.py'
    script.write_text(function + AFTER_OPENCV)
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env=os.environ | {'PYTHONPATH': str(Path(__file__).parents[3])},
    )
    assert done.stdout.split('\n')[0] == '[1, 2, 4, 8] 4'
