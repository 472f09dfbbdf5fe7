"""Clips can be read again, with all their frames."""

from __future__ import annotations

import gc
import math
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from videomac.visualization import clips
from videomac.visualization.clips import GIF_FRAMES, GIF_SIDE, MP4_SIDE, ClipWriter


def level(value: int, height: int = 40, width: int = 60) -> NDArray[np.uint8]:
    """A frame with a bright square on an even ground; frames differ in the ground."""
    frame = np.full((height, width, 3), value, np.uint8)
    frame[: height // 2, : width // 2] = (255, 0, 0)
    return frame


def read_mp4(path: Path) -> list[NDArray[np.uint8]]:
    capture = cv2.VideoCapture(str(path))
    frames: list[NDArray[np.uint8]] = []
    while True:
        more, frame = capture.read()
        if not more:
            return frames
        frames.append(np.asarray(frame[..., ::-1], np.uint8))


def read_gif(path: Path) -> list[NDArray[np.uint8]]:
    frames = []
    with Image.open(path) as image:
        for k in range(getattr(image, 'n_frames', 1)):
            image.seek(k)
            frames.append(np.asarray(image.convert('RGB')))
    return frames


def write(stem: Path, values: list[int], mp4: bool, **size: int) -> Path:
    writer = ClipWriter(stem, len(values), mp4=mp4)
    for value in values:
        writer.add(level(value, **size))
    return writer.close()


@pytest.mark.parametrize('mp4', [True, False])
def test_frames_come_back(tmp_path: Path, mp4: bool) -> None:
    """As many, in order, with red where red was; up to the losses of the codec."""
    if mp4 and not clips.mp4_works():
        pytest.skip('PyAV, which writes MP4 files, is not installed')
    values = [0, 60, 120, 180, 120]
    path = write(tmp_path / 'new' / 'a.b', values, mp4)
    assert path == tmp_path / 'new' / ('a.b.mp4' if mp4 else 'a.b.gif')
    frames = (read_mp4 if mp4 else read_gif)(path)
    assert [frame.shape for frame in frames] == [(40, 60, 3)] * 5
    assert [frame[30, 50, 1] for frame in frames] == pytest.approx(values, abs=16)
    for frame in frames:
        assert frame[8, 8].astype(int) == pytest.approx([255, 0, 0], abs=40)


@pytest.mark.parametrize(
    ('size', 'mp4', 'expected'),
    [
        ((33, 47), True, (32, 48)),  # the codec wants even sides
        ((33, 47), False, (33, 47)),
        ((16, 2 * MP4_SIDE), True, (8, MP4_SIDE)),
        ((2 * GIF_SIDE, 40), False, (GIF_SIDE, 20)),
        ((1, 5000), False, (1, GIF_SIDE)),
    ],
)
def test_sizes(
    tmp_path: Path, size: tuple[int, int], mp4: bool, expected: tuple[int, int]
) -> None:
    """Long sides are limited, the ratio kept."""
    if mp4 and not clips.mp4_works():
        pytest.skip('PyAV, which writes MP4 files, is not installed')
    path = write(tmp_path / 'x', [10, 200], mp4, height=size[0], width=size[1])
    frames = (read_mp4 if mp4 else read_gif)(path)
    assert [frame.shape[:2] for frame in frames] == [expected] * 2


@pytest.mark.parametrize(('count', 'kept'), [(60, 60), (61, 31), (150, 50)])
def test_long_gifs_are_thinned(tmp_path: Path, count: int, kept: int) -> None:
    """At most GIF_FRAMES, evenly, in about the time of all frames."""
    assert kept <= GIF_FRAMES
    path = write(tmp_path / 'x', [k % 256 for k in range(count)], False)
    with Image.open(path) as image:
        assert getattr(image, 'n_frames', 1) == kept
        step = -(-count // kept)
        assert image.info['duration'] == pytest.approx(1000 * step / 12, abs=10)


def test_browsers_play_it(tmp_path: Path) -> None:
    """H.264 in yuv420p, its index before its pictures, its colours named."""
    av = pytest.importorskip('av')
    path = write(tmp_path / 'x', [0, 90, 200], True)
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ('h264', 'yuv420p')
        assert stream.average_rate == 12
        assert stream.codec_context.colorspace == clips.BT601
        frames = [frame.to_ndarray(format='rgb24') for frame in file.decode(stream)]
    assert len(frames) == 3
    for frame, value in zip(frames, [0, 90, 200], strict=True):
        # Away from edges, at which colours of half the resolution run out.
        got, wanted = frame.astype(int), level(value).astype(int)
        assert np.abs(got - wanted)[24:, 36:].max() <= 4
        assert np.abs(got - wanted)[:16, :26].max() <= 6
    data = path.read_bytes()
    assert data.index(b'moov') < data.index(b'mdat')


def test_without_the_codec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where PyAV is missing it is said once, and clips become GIFs."""
    monkeypatch.setitem(sys.modules, 'av', None)
    said: list[str] = []
    monkeypatch.setattr(clips, 'print_log', lambda text, *_: said.append(text))
    clips.mp4_works.cache_clear()
    try:
        for name in ('a', 'b'):
            writer = ClipWriter(tmp_path / name, 1)
            writer.add(level(9))
            assert writer.close() == tmp_path / f'{name}.gif'
    finally:
        clips.mp4_works.cache_clear()
    (message,) = said
    assert 'pip install av' in message
    assert 'GIF' in message
    assert len(read_gif(tmp_path / 'a.gif')) == 1
    with pytest.raises(ImportError, match=r'pip install av.*write a GIF'):
        ClipWriter(tmp_path / 'c', 1, mp4=True)


def test_a_pyav_without_h264(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build without the codec is told from none."""
    pytest.importorskip('av')
    monkeypatch.setattr(clips, 'CODEC', 'libnone')
    with pytest.raises(ImportError, match='this PyAV has no libnone'):
        ClipWriter(tmp_path / 'c', 1, mp4=True)


def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='at least one frame'):
        ClipWriter(tmp_path / 'x', 0, mp4=False).close()
    for fps in (0, -1, 0.0001, 2000, math.inf, math.nan):
        with pytest.raises(ValueError, match=f'fps must be 0.001 to 1000 .* got {fps}'):
            ClipWriter(tmp_path / 'x', 1, fps=fps)


@pytest.mark.parametrize('mp4', [True, False])
@pytest.mark.parametrize('fps', [clips.SLOWEST, 0.0019, clips.FASTEST])
def test_slowest_and_fastest(tmp_path: Path, mp4: bool, fps: float) -> None:
    """Whatever the check lets through can be written."""
    if mp4 and not clips.mp4_works():
        pytest.skip('PyAV, which writes MP4 files, is not installed')
    writer = ClipWriter(tmp_path / 'x', 3, fps, mp4=mp4)
    for value in (10, 100, 200):
        writer.add(level(value))
    assert len((read_mp4 if mp4 else read_gif)(writer.close())) == 3
    still = ClipWriter(tmp_path / 'still', 3, fps, mp4=mp4)
    for _ in range(3):
        still.add(level(10))
    assert still.close().stat().st_size > 0


@pytest.mark.parametrize('mp4', [True, False])
def test_an_older_clip_survives_a_failure(tmp_path: Path, mp4: bool) -> None:
    """And nothing else is left; it may be what the frames are read from."""
    if mp4 and not clips.mp4_works():
        pytest.skip('PyAV, which writes MP4 files, is not installed')
    path = write(tmp_path / 'x', [0, 90], mp4)
    older = path.read_bytes()
    writer = ClipWriter(tmp_path / 'x', 80, mp4=mp4)
    for value in range(80):  # more than the encoder holds back
        writer.add(level(value))
        assert path.read_bytes() == older
    del writer
    gc.collect()
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == older
    write(tmp_path / 'x', [50, 90, 120], mp4)
    assert list(tmp_path.iterdir()) == [path]
    assert len((read_mp4 if mp4 else read_gif)(path)) == 3
    assert path.stat().st_mode & 0o777 == 0o644
