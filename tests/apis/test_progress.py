"""Progress by a clock that is set by hand."""

from __future__ import annotations

import threading

import pytest

from videomac.apis import Progress
from videomac.apis.progress import Tracker


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_numbers() -> None:
    state = Progress(done=3, total=12, seconds=6.0)
    assert state.fraction == 0.25
    assert state.eta == 18.0
    assert str(state) == '3/12 frames, 2.00 s a frame, ETA 0:00:18'


def test_a_function_is_told_of_every_frame() -> None:
    clock, states = Clock(), list[Progress]()
    tracker = Tracker(3, states.append, clock=clock)
    for _ in range(3):
        clock.now += 2
        tracker.step()
    assert states == [Progress(1, 3, 2.0), Progress(2, 3, 4.0), Progress(3, 3, 6.0)]


def test_lines_begin_after_a_moment_and_end(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    tracker = Tracker(5, True, clock=clock)
    for seconds in (1.0, 1.5, 0.1, 1.0, 0.01):
        clock.now += seconds
        tracker.step()
    lines = capsys.readouterr().err.split('\r')[1:]
    # Not at 1 s, which is too early; not at 2.6 s, which is too close to the line before.
    assert [line.split('/')[0] for line in lines] == ['2', '4', '5']
    assert lines[-1].endswith('\n')
    quiet = Tracker(1, False, clock=clock)
    clock.now += 10
    quiet.step()
    assert not capsys.readouterr().err


def test_ways_to_stop() -> None:
    event, answers = threading.Event(), iter([False, True])
    assert not Tracker(1).cancelled
    tracker = Tracker(1, cancel=event)
    assert not tracker.cancelled
    event.set()
    assert tracker.cancelled
    asked = Tracker(1, cancel=lambda: next(answers))
    assert [asked.cancelled, asked.cancelled] == [False, True]
