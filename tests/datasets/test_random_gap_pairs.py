"""Pairs of frames at random gaps."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.datasets.media import FakeSource
from videomac.datasets import RandomGapPairDataset


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    gap=st.integers(1, 5),
    more=st.integers(0, 6),
    seed=st.integers(0, 99),
)
def test_every_first_frame_once(
    lengths: list[int], gap: int, more: int, seed: int
) -> None:
    firsts = [(v, i) for v, n in enumerate(lengths) for i in range(n - gap)]
    if not firsts:
        with pytest.raises(ValueError, match='no video is left'):
            RandomGapPairDataset(FakeSource(lengths), [], gap, gap + more)
        return
    data = RandomGapPairDataset(FakeSource(lengths), [], gap, gap + more)
    assert len(data) == len(firsts)
    torch.manual_seed(seed)
    for index, (video, first) in enumerate(firsts):
        sample = data[index]
        start, end = sample['frame_indices']
        assert (sample['video'], start) == (f'v{video}', first)
        assert gap <= end - start <= gap + more
        assert end < lengths[video]
        content = sample['frames'][:, :, 0, 0].tolist()
        assert content == [[video, start, 0], [video, end, 0]]


def test_gaps_are_uniform_as_far_as_the_video_reaches() -> None:
    data = RandomGapPairDataset(FakeSource([20]), [], 2, 6)
    torch.manual_seed(0)

    def gaps(index: int) -> Counter[int]:
        pairs = (data[index]['frame_indices'] for _ in range(2000))
        return Counter(end - start for start, end in pairs)

    free = gaps(0)
    assert set(free) == {2, 3, 4, 5, 6}
    # 400 of each expected, with a standard deviation of 18.
    assert all(abs(count - 400) < 90 for count in free.values())
    assert set(gaps(16)) == {2, 3}
    assert set(gaps(17)) == {2}


def test_draws_follow_the_seed() -> None:
    data = RandomGapPairDataset(FakeSource([60]), [], 4, 48)
    runs = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        runs.append([data[i]['frame_indices'] for i in range(10)])
    assert runs[0] == runs[1] != runs[2]
    assert data.metainfo == dict(gap=4, max_gap=48, num_frames=2, num_videos=1)


def test_description_names_all_frames_that_may_be_read() -> None:
    """A worker that is lost cannot say which it had drawn."""
    data = RandomGapPairDataset(FakeSource([20]), [], 2, 6)
    (video,) = data.videos
    names = tuple(f'{k}.jpg' for k in range(20))
    torch.manual_seed(0)
    for index in (0, 15, 17):
        seconds = {data[index]['frame_indices'][1] for _ in range(200)}
        first, last = min(seconds), max(seconds)
        numbers, files = f'[{index}, {first}]', f'{index}.jpg, 0/{first}.jpg)'
        if last > first:
            numbers = f'frame {index} and one of {first} to {last})'
            files = f'{index}.jpg and one of 0/{first}.jpg to {last}.jpg)'
        assert numbers in data.describe(index)
        data.videos = [replace(video, frames=names)]
        assert files in data.describe(index)
        data.videos = [video]


@pytest.mark.parametrize('most', [3, 4.5, None])
def test_bad_largest_gap(most: Any) -> None:
    with pytest.raises(ValueError, match=rf'at least gap=4, got {most}'):
        RandomGapPairDataset(FakeSource([60]), [], 4, most)


def test_number_of_frames_is_fixed() -> None:
    with pytest.raises(TypeError, match='no num_frames'):
        RandomGapPairDataset(FakeSource([60]), [], num_frames=3)
    with pytest.raises(ValueError, match='gap must be an integer'):
        RandomGapPairDataset(FakeSource([60]), [], 0, 3)
