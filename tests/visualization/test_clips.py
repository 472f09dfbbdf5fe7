"""Clips can be read again, with all their frames."""

from __future__ import annotations

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
        pytest.skip('this OpenCV cannot write MP4 files')
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
        pytest.skip('this OpenCV cannot write MP4 files')
    path = write(tmp_path / 'x', [10, 200], mp4, height=size[0], width=size[1])
    frames = (read_mp4 if mp4 else read_gif)(path)
    assert [frame.shape[:2] for frame in frames] == [expected] * 2


@pytest.mark.parametrize(('count', 'kept'), [(60, 60), (61, 31), (150, 50)])
def test_long_gifs_are_thinned(tmp_path: Path, count: int, kept: int) -> None:
    """At most GIF_FRAMES, evenly, in about the time of all frames."""
    assert kept <= GIF_FRAMES
    path = write(tmp_path / 'x', [k % 256 for k in range(count)], False)
    with Image.open(path) as image:
        assert image.n_frames == kept
        step = -(-count // kept)
        assert image.info['duration'] == pytest.approx(1000 * step / 12, abs=10)


def test_without_the_codec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where OpenCV cannot write MP4 it is said once, and clips become GIFs."""
    monkeypatch.setattr(clips, 'CODEC', 'zzzz')
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
    assert len(said) == 1
    assert 'GIF' in said[0]
    assert len(read_gif(tmp_path / 'a.gif')) == 1


def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='at least one frame'):
        ClipWriter(tmp_path / 'x', 0, mp4=False).close()
    with pytest.raises(ValueError, match='fps must be positive, got 0'):
        ClipWriter(tmp_path / 'x', 1, fps=0)
