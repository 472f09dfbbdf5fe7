"""Video files that are broken or unusual, made with PyAV, read by either decoder."""

import os
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.datasets.broken import HTML
from videomac.datasets import FramePairDataset, UnreadableVideoError, VideoFiles
from videomac.datasets.sources import av_reader
from videomac.datasets.sources.stated_size import stated_size
from videomac.datasets.video_input import open_video

av: Any = pytest.importorskip('av')
pytest.importorskip('decord')

WIDTH, HEIGHT = 64, 48


@pytest.fixture(params=['pyav', 'decord'], autouse=True)
def decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read with PyAV and decord, and with decord alone."""
    if request.param == 'decord':
        monkeypatch.setattr(av_reader, '_pyav', lambda: None)


def write(path: Path, times: Sequence[int], **options: str) -> Path:
    """Write frames at these times in 1/100 s; frame i has the red value 16 i."""
    noise = np.random.default_rng(0).integers(0, 60, (HEIGHT, WIDTH))
    with av.open(str(path), 'w', options=options) as container:
        stream = container.add_stream('mpeg4', rate=10)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, 'yuv420p'
        stream.codec_context.time_base = Fraction(1, 100)
        container.start_encoding()
        for i, time in enumerate(times):
            pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            pixels[..., 0] = 16 * i
            pixels[..., 2] = np.roll(noise, 5 * i)
            frame = av.VideoFrame.from_ndarray(pixels, format='rgb24')
            frame.pts, frame.time_base = time, stream.codec_context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_audio(path: Path) -> Path:
    """Write a second of silence."""
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('aac', rate=8000)
        samples = np.zeros((1, 8000), np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format='fltp', layout='mono')
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def red(source: VideoFiles, indices: Sequence[int]) -> list[float]:
    """Mean red of some frames of the only video."""
    (video,) = source.scan()
    means: list[float] = source.read(video, indices)[..., 0].mean((1, 2)).tolist()
    return means


def test_variable_frame_rate(tmp_path: Path) -> None:
    """Frames are counted; how long each is shown does not matter."""
    times = [0, 1, 5, 30, 31, 32, 90, 150, 151, 300, 301, 600]
    for name in ('a.mp4', 'b.mkv'):
        source = VideoFiles(paths=[str(write(tmp_path / name, times))])
        (video,) = source.scan()
        assert video.num_frames == len(times)
        assert video.times is None, 'too large to keep'
        indices = [0, 3, 4, 10, 11, 7]
        expected = [16 * i for i in indices]
        np.testing.assert_allclose(red(source, indices), expected, atol=6)


def test_one_frame(tmp_path: Path, messages: list[str]) -> None:
    """It makes no pair, and is counted among the short ones."""
    write(tmp_path / 'one.mp4', [0])
    write(tmp_path / 'two.mp4', [0, 10])
    config = {'type': 'VideoFiles', 'data_root': str(tmp_path)}
    data = FramePairDataset(config, [])
    assert [video.name for video in data.videos] == ['two.mp4']
    assert any('1 of 2 videos' in m and 'one.mp4 (1)' in m for m in messages)
    assert len(FramePairDataset(config, [], num_frames=1)) == 3


def cut(path: Path, share: float) -> None:
    """Cut a file after a share of its bytes."""
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def make_broken(path: Path, kind: str) -> None:
    """Write a file without a frame that can be read."""
    if kind == 'no frames':
        write(path, [])
    elif kind == 'audio only':
        write_audio(path)
    elif kind == 'cut, index at the end':
        write(path, range(0, 100, 10))
        cut(path, 0.6)
    elif kind == 'broken link':
        path.symlink_to(path.parent / 'gone')
    else:
        path.write_bytes({'empty': b'', 'web page': HTML, 'noise': os.urandom(999)}[kind])


@pytest.mark.parametrize(
    ('kind', 'reason'),
    [
        ('no frames', ''),
        ('audio only', 'cannot find video stream'),
        ('cut, index at the end', ''),
        ('broken link', 'does not exist'),
        ('empty', 'the file is empty'),
        ('web page', 'a web page'),
        ('noise', ''),
    ],
)
def test_broken_video_is_left_out_and_named(
    tmp_path: Path, messages: list[str], kind: str, reason: str
) -> None:
    write(tmp_path / 'good.mp4', range(0, 100, 10))
    path = tmp_path / 'bad.mp4'
    make_broken(path, kind)
    assert [video.name for video in VideoFiles(str(tmp_path)).scan()] == ['good.mp4']
    (warning,) = [message for message in messages if str(path) in message]
    assert warning.startswith(f'leaving out a video: cannot read {path}: ')
    assert reason in warning
    assert any('left out 1 of 2 video files' in message for message in messages)


@pytest.mark.parametrize('name', ['a.mp4', 'a.mkv'])
@pytest.mark.parametrize('share', [0.6, 0.75, 0.9])
def test_cut_video_whose_index_is_whole(
    tmp_path: Path, messages: list[str], name: str, share: float
) -> None:
    """It is left out by name, or what is there can be read."""
    path = write(tmp_path / name, range(0, 160, 10), movflags='faststart')
    cut(path, share)
    write(tmp_path / 'whole.mp4', [0])
    source = VideoFiles(str(tmp_path))
    found = {video.name: video for video in source.scan()}
    if name not in found:
        assert any(f'leaving out a video: cannot read {path}' in m for m in messages)
        return
    video = found[name]
    assert 3 <= video.num_frames <= 16
    means = source.read(video, [0, 2])[..., 0].mean((1, 2))
    np.testing.assert_allclose(means, [0, 32], atol=6)
    # The last one may be half a frame: it is concealed by the decoder, or an error.
    with suppress(UnreadableVideoError):
        last = source.read(video, [video.num_frames - 1])
        assert last.shape == (1, HEIGHT, WIDTH, 3)


def test_a_codec_that_nobody_knows(tmp_path: Path) -> None:
    path = write(tmp_path / 'clip.avi', range(0, 100, 10))
    assert stated_size(str(path)) == (HEIGHT, WIDTH)
    path.write_bytes(path.read_bytes().replace(b'FMP4', b'ZZQ4'))
    assert stated_size(str(path)) is None
    with pytest.raises(ValueError, match=r'clip\.avi. is no video that can be read'):
        open_video(path)
    if av_reader.can_decode():
        with pytest.raises(UnreadableVideoError, match='does not know its codec'):
            list(av_reader.decode_all(str(path)))


def test_names_that_are_not_utf8(tmp_path: Path, messages: list[str]) -> None:
    path = write(tmp_path / 'a.mp4', range(0, 100, 10))
    odd = os.fsencode(tmp_path) + b'/caf\xe9.mp4'
    try:
        os.link(path, odd)
    except OSError:
        pytest.skip('this file system wants names in UTF-8')
    source = VideoFiles(str(tmp_path))
    names = [video.name for video in source.scan()]
    # decord takes UTF-8 alone: either it is read, or left out by name.
    assert 'a.mp4' in names
    if len(names) == 1:
        (warning,) = [m for m in messages if r'caf\udce9.mp4' in m]
        assert 'rename it' in warning
