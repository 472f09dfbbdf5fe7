"""Frames come upright and in the order in which they are shown, or not at all."""

import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from videomac.datasets import UnreadableVideoError, VideoFiles
from videomac.datasets.preparation.members import DamagedMemberError
from videomac.datasets.preparation.video_frames import FrameOptions, extract_frames
from videomac.datasets.sources import av_reader

av: Any = pytest.importorskip('av')
decord: Any = pytest.importorskip('decord')

NUMBER, HEIGHT, WIDTH = 40, 64, 96
REORDERED = {
    'g': '12',
    'preset': 'ultrafast',
    'x264-params': 'bframes=3:b-pyramid=normal',
}
OPEN = {'g': '12', 'x264-params': 'open-gop=1:bframes=3'}
CLIPS = [
    ('a.ts', 'libx264', REORDERED),
    ('open.ts', 'libx264', OPEN),
    ('mpeg2.ts', 'mpeg2video', {'g': '10', 'bf': '2'}),
    ('mpeg2.mpg', 'mpeg2video', {'g': '10', 'bf': '2'}),
    ('a.avi', 'libx264', REORDERED),
    ('open.avi', 'libx264', OPEN),
    ('mpeg4.avi', 'mpeg4', {'g': '10', 'bf': '2'}),
    ('a.mp4', 'libx264', REORDERED),
    ('open.mkv', 'libx264', OPEN),
]
# Around key frames, where the reviewed seeks missed, and at both ends.
INDICES = [[0, 1], [9, 10], [11, 12], [12, 13], [13, 12], [27, 28], [39, 1]]
on_clips = pytest.mark.parametrize(('name', 'codec', 'options'), CLIPS)


def draw(index: int) -> NDArray[np.uint8]:
    """A picture of which no two are alike, turned or not."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[..., 0] = np.arange(WIDTH) + 3 * index
    picture[..., 1] = np.arange(HEIGHT)[:, None] + 4 * index
    picture[..., 2] = 6 * index
    return picture


def write(path: Path, codec: str, options: dict[str, str]) -> Path:
    """Encode the pictures."""
    try:
        av.codec.Codec(codec, 'w')
    except ValueError:
        pytest.skip(f'this PyAV has no {codec}')
    with av.open(str(path), 'w') as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.bit_rate = 4_000_000
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, 'yuv420p'
        for i in range(NUMBER):
            frame = av.VideoFrame.from_ndarray(draw(i), format='rgb24')
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def decode_all(path: Path) -> NDArray[np.uint8]:
    """What a decoder gives that neither seeks nor looks at the time."""
    with av.open(str(path)) as container:
        frames = [f.to_ndarray(format='rgb24') for f in container.decode(video=0)]
    return np.stack(frames)


def difference(a: NDArray[Any], b: NDArray[Any]) -> float:
    return float(np.abs(a.astype(int) - b).mean())


def extract(path: Path, folder: Path) -> list[NDArray[Any]]:
    """The frames of a video by way of its folder of JPEGs."""
    folder.mkdir()
    number = extract_frames(path, folder, FrameOptions())
    files = sorted(folder.iterdir())
    assert number == len(files)
    return [np.asarray(cv2.imread(str(file)))[..., ::-1] for file in files]


@on_clips
def test_read_gives_the_frames_asked_for(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    path = write(tmp_path / name, codec, options)
    expected = decode_all(path)
    for i, frame in enumerate(expected):
        nearest = min(range(NUMBER), key=lambda k: difference(frame, draw(k)))
        assert nearest == i, 'the oracle itself'
    source = VideoFiles(paths=[str(path)])
    (video,) = source.scan()
    for indices in INDICES:
        np.testing.assert_array_equal(source.read(video, indices), expected[indices])


@on_clips
@pytest.mark.parametrize('decoder', ['pyav', 'decord'])
def test_extracted_frames_are_in_order(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    decoder: str,
    name: str,
    codec: str,
    options: dict[str, str],
) -> None:
    path = write(tmp_path / name, codec, options)
    expected = decode_all(path)
    if decoder == 'decord':
        monkeypatch.setattr(av_reader, '_pyav', lambda: None)
        if path.suffix in ('.ts', '.mpg'):
            with pytest.raises(DamagedMemberError, match='pip install av'):
                extract(path, tmp_path / 'frames')
            return
    found = extract(path, tmp_path / 'frames')
    assert len(found) == NUMBER
    assert max(map(difference, found, expected)) < 3  # what JPEG loses


@on_clips
def test_without_pyav(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    codec: str,
    options: dict[str, str],
) -> None:
    """AVI is decoded from its start; MPEG streams, of which decord loses frames, not."""
    path = write(tmp_path / name, codec, options)
    expected = decode_all(path)
    source = VideoFiles(paths=[str(path)])
    (video,) = source.scan()
    monkeypatch.setattr(av_reader, '_pyav', lambda: None)
    if path.suffix in ('.ts', '.mpg'):
        with pytest.raises(UnreadableVideoError, match='pip install av'):
            source.read(video, [0, 1])
        with pytest.raises(ValueError, match='pip install av'):
            source.scan()
    elif path.suffix == '.avi':
        for indices in INDICES:
            assert difference(source.read(video, indices), expected[indices]) < 0.5
        with pytest.raises(UnreadableVideoError, match=r'frames \[40\].* 40 frames'):
            source.read(video, [NUMBER])


def turn(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Write a rotation into the header of an MP4, as phones do."""
    a, b, c, d = (65536 * number for number in matrix)
    plain = struct.pack('>9i', 65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    content = path.read_bytes()
    track = content.index(b'tkhd')
    at = content.index(plain, track)
    turned = struct.pack('>9i', a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content[:at] + turned + content[at + len(turned) :])


@pytest.mark.parametrize(
    ('matrix', 'quarters'),  # counter-clockwise
    [((1, 0, 0, 1), 0), ((0, -1, 1, 0), 1), ((-1, 0, 0, -1), 2), ((0, 1, -1, 0), 3)],
)
def test_rotated_videos_are_upright(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    matrix: tuple[int, int, int, int],
    quarters: int,
) -> None:
    path = write(tmp_path / 'a.mp4', 'mpeg4', {'g': '12'})
    turn(path, matrix)
    expected = np.rot90(decode_all(path), quarters, axes=(1, 2))
    by_decord = decord.VideoReader(str(path), num_threads=1)
    assert difference(by_decord[3].asnumpy(), expected[3]) < 0.5
    source = VideoFiles(paths=[str(path)])
    (video,) = source.scan()
    assert video.times is not None
    np.testing.assert_array_equal(source.read(video, [3, 20]), expected[[3, 20]])
    for decoder in ('pyav', 'decord'):
        found = extract(path, tmp_path / decoder)
        assert max(map(difference, found, expected)) < 3
        monkeypatch.setattr(av_reader, '_pyav', lambda: None)


def test_damage_is_told(tmp_path: Path) -> None:
    """Frames of a damaged part are refused; decord would repeat others in their place."""
    path = write(tmp_path / 'a.mp4', 'libx264', REORDERED)
    expected = decode_all(path)
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size and p.pos is not None]
    content = bytearray(path.read_bytes())
    for packet in packets[16:20]:
        content[packet.pos : packet.pos + packet.size] = b'\x5a' * packet.size
    path.write_bytes(content)
    source = VideoFiles(paths=[str(path)])
    (video,) = source.scan()
    refused: list[str] = []
    for pair in pairwise(range(NUMBER)):
        try:
            frames = source.read(video, pair)
        except UnreadableVideoError as error:
            refused.append(str(error))
        else:
            # Those after the damage that refer to it are blurred, and in their place.
            if max(pair) < 12 or min(pair) >= 24:
                np.testing.assert_array_equal(frames, expected[list(pair)])
            assert not np.array_equal(frames[0], frames[1])
    assert 2 <= len(refused) < NUMBER // 2
    assert all('cannot be decoded' in message for message in refused)
    with pytest.raises(DamagedMemberError, match=r'cannot be decoded from frame \d+ on'):
        extract(path, tmp_path / 'frames')
