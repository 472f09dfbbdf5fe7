"""Frames by PyAV are those by decord, pixel for pixel."""

from fractions import Fraction
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.datasets.media import sample_video
from tests.datasets.test_video_files import write_video
from tests.real_data import real_data
from videomac.datasets import VideoFiles
from videomac.datasets.sources import av_reader, video_files
from videomac.datasets.sources.av_reader import (
    EvenTimes,
    FrameTimes,
    find_frames,
    read_frames,
)

av = pytest.importorskip('av')
decord = pytest.importorskip('decord')


def by_decord(path: Path, indices: list[int]) -> NDArray[np.uint8]:
    """The frames as decord decodes them from the file's start on."""
    reader = decord.VideoReader(str(path), num_threads=1)
    frames = {}
    for i in range(max(indices) + 1):
        frames[i] = reader[i].asnumpy()
    return np.stack([frames[i] for i in indices])


def check(path: Path, indices: list[int], required: bool = True) -> None:
    number = len(decord.VideoReader(str(path), num_threads=1))
    frames = read_frames(str(path), indices, number)
    if frames is None:
        assert not required
        return
    expected = by_decord(path, indices)
    assert frames.shape == expected.shape
    # Two versions of FFmpeg turn YUV into RGB.
    assert np.abs(frames.astype(int) - expected).mean() < 0.5


@pytest.mark.parametrize('indices', [[0, 1], [60, 61], [61, 60, 61], [3, 90], [249]])
def test_same_frames_as_decord(indices: list[int]) -> None:
    check(sample_video('bikes.mp4'), indices)  # six key frames, B frames


def test_same_frames_as_decord_in_real_videos() -> None:
    folder = real_data('videos')
    paths = sorted(p for p in folder.iterdir() if p.suffix in ('.mp4', '.mkv'))
    assert len(paths) == 24
    read = 0
    for path in paths[::3]:
        number = len(decord.VideoReader(str(path), num_threads=1))
        check(path, [number // 3, number // 3 + 1], required=False)
        read += read_frames(str(path), [0], number) is not None
    assert read >= 7


@pytest.mark.parametrize('name', ['bikes.mp4', 'carphone_pristine.mp4'])
def test_what_is_left_out_changes_nothing(name: str) -> None:
    """Every pixel is that of a decoder which decodes all frames."""
    path = sample_video(name)
    with av.open(str(path)) as container:
        whole = list(islice(container.decode(video=0), 64))
        number = container.streams.video[0].frames
        keys = [i for i, frame in enumerate(whole) if frame.key_frame]
    known = find_frames(str(path), number)
    assert known is not None
    assert known.small
    # Around the last of these key frames too, where there is more than one.
    for indices in ([0, 1], [max(0, keys[-1] - 1), keys[-1]], [61, 58], [63]):
        expected = np.stack([whole[i].to_ndarray(format='rgb24') for i in indices])
        for frames in (
            read_frames(str(path), indices, number, known),
            read_frames(str(path), indices, number),
        ):
            assert frames is not None
            np.testing.assert_array_equal(frames, expected)


def test_what_is_known_and_wrong_does_no_harm(tmp_path: Path) -> None:
    """The file is looked at again."""
    path = str(write_video(tmp_path / 'a.mp4', 14))
    expected = read_frames(path, [3, 9], 14)
    assert expected is not None
    for known in (
        FrameTimes(0, EvenTimes(Fraction(7), offset=3), [3]),
        FrameTimes(5, EvenTimes(Fraction(1)), [0]),
    ):
        frames = read_frames(path, [3, 9], 14, known)
        assert frames is not None
        np.testing.assert_array_equal(frames, expected)


@given(
    rate=st.fractions(1, 120, max_denominator=1001).filter(bool),
    unit=st.sampled_from([100, 1000, 12800, 90000]),
    lead=st.integers(0, 5),
    number=st.integers(2, 40),
    moved=st.integers(0, 39),
)
def test_even_times(
    rate: Fraction, unit: int, lead: int, number: int, moved: int
) -> None:
    """Rounded to the file's unit; one frame that is elsewhere makes them uneven."""
    stream = SimpleNamespace(average_rate=rate, time_base=Fraction(1, unit))
    exact = [Fraction(lead + i) * unit / rate for i in range(number)]
    times = [int(time + Fraction(1, 2)) for time in exact]
    found = av_reader._even_times(times, stream)
    assert found is not None
    assert [found[i] for i in range(number)] == times
    if number > 4:
        times[moved % number] += 3 * unit
        assert av_reader._even_times(times, stream) is None


def test_every_frame_has_its_content(tmp_path: Path) -> None:
    path = write_video(tmp_path / 'a.mp4', 14)  # frame i has red 16 * i
    for i in range(14):
        frames = read_frames(str(path), [i], 14)
        assert frames is not None
        assert abs(frames[..., 0].mean() - 16 * i) < 12


def test_in_doubt_decord_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / 'a.mp4', 6)
    assert read_frames(str(path), [0, 1], 6) is not None
    assert read_frames(str(path), [0, 1], 7) is None  # counted differently
    assert read_frames(str(path), [6], 6) is None
    assert read_frames(str(path), [0, -1], 6) is None
    assert find_frames(str(path), 6) is not None
    assert find_frames(str(path), 7) is None
    text = tmp_path / 'b.mp4'
    text.write_text('no video')
    assert read_frames(str(text), [0], 6) is None
    monkeypatch.setattr(av_reader, '_pyav', lambda: None)
    assert read_frames(str(path), [0, 1], 6) is None
    assert find_frames(str(path), 6) is None
    source = VideoFiles(paths=[str(path)])
    assert source.read(source.scan()[0], [4, 5]).shape == (2, 48, 64, 3)


def test_source_gives_what_decord_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    source = VideoFiles(paths=[str(sample_video('bikes.mp4'))])
    (video,) = source.scan()
    quick = source.read(video, [100, 101])
    monkeypatch.setattr(video_files, 'read_frames', lambda *args: None)
    slow = source.read(video, [100, 101])
    assert np.abs(quick.astype(int) - slow).mean() < 0.5
