"""Sharing of videos, and the lines that tell how far a run is."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.datasets.conftest import messages
from videomac.engine.propagation_loop import share_videos
from videomac.engine.video_progress import VideoProgress

__all__ = ['messages']


@given(st.lists(st.integers(1, 200), max_size=40), st.integers(1, 9))
def test_every_video_goes_to_one_process(lengths: list[int], processes: int) -> None:
    shares = share_videos(lengths, processes)
    assert len(shares) == processes
    assert sorted(itertools.chain(*shares)) == list(range(len(lengths)))
    assert all(share == sorted(share) for share in shares)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=7), st.integers(2, 3))
def test_no_process_has_a_third_more_than_it_must(
    lengths: list[int], processes: int
) -> None:
    """Graham's bound, against the best of all ways to share."""
    longest = max(sum(lengths[i] for i in s) for s in share_videos(lengths, processes))
    best = min(
        max(
            sum(n for n, owner in zip(lengths, owners, strict=True) if owner == p)
            for p in range(processes)
        )
        for owners in itertools.product(range(processes), repeat=len(lengths))
    )
    assert longest <= (4 / 3 - 1 / (3 * processes)) * best + 1e-9


def test_progress_tells_the_time_that_is_left(messages: list[str]) -> None:
    now = 100.0
    progress = VideoProgress(videos=2, frames=7, every=5.0, clock=lambda: now)
    for name, length in (('a', 4), ('b', 3)):
        for position in range(1, length + 1):
            now += 2.0
            progress.step(name, position, length)
    assert messages == [
        'Video 1/2 a: frame 3/4 (3/7 in all), 2.000 s a frame, ETA 0:00:08',
        'Video 1/2 a: frame 4/4 (4/7 in all), 2.000 s a frame, ETA 0:00:06',
        'Video 2/2 b: frame 3/3 (7/7 in all), 2.000 s a frame, ETA 0:00:00',
    ]


@pytest.mark.parametrize('seconds', [0.5, 3600.0])
def test_eta_is_the_mean_of_all_frames(seconds: float, messages: list[str]) -> None:
    now = 0.0
    progress = VideoProgress(videos=1, frames=101, every=0.0, clock=lambda: now)
    now = seconds
    progress.step('a', 1, 101)
    expected = {0.5: '0:00:50', 3600.0: '4 days, 4:00:00'}[seconds]
    assert messages[0].endswith(f'ETA {expected}')
