"""Files that name others are no videos: FFmpeg would open whatever they name."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.datasets.media import sample_video
from videomac.datasets import UnreadableVideoError, VideoFiles
from videomac.datasets.sources import av_reader
from videomac.datasets.sources.diagnosis import check_no_list
from videomac.datasets.sources.stated_size import stated_size
from videomac.datasets.video_input import open_video

av: Any = pytest.importorskip('av')
decord: Any = pytest.importorskip('decord')

HLS = (
    '#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n'
    '#EXTINF:2.0,\n{}\n#EXT-X-ENDLIST\n'
)
DASH = '<MPD profiles="urn:mpeg:dash:profile:isoff-on-demand:2011">{}</MPD>'
TAG = b'ID3\x03\x00\x00\x00\x00\x00\x0a' + bytes(10)  # of music, ten empty bytes


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A video that somebody else may not see, as a transport stream."""
    folder = tmp_path / 'private'
    folder.mkdir()
    path = folder / 'secret.ts'
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('mpeg4', rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuv420p'
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame(64, 48, 'yuv420p')))
        container.mux(stream.encode())
    return path


def lists(private: Path) -> dict[str, bytes]:
    """Lists that name a video, by kind."""
    hls = HLS.format(private).encode()
    dash = DASH.format(private).encode()
    return {
        'hls': hls,
        'byte-order mark': b'\xef\xbb\xbf' + hls,
        'behind a tag': TAG + hls,
        'concat': b'ffconcat version 1.0\nfile secret.ts\n',
        'dash': b'<?xml version="1.0"?>\n' + dash,
        'dash without head': b'\n' * 99 + dash,
        'dash with comment': b'<!-- -->' + dash,
    }


def test_ffmpeg_opens_what_lists_name(private: Path, tmp_path: Path) -> None:
    """The danger is there, also for a list that is called a video."""
    for name in ('hls', 'behind a tag'):
        path = tmp_path / 'clip.mp4'
        path.write_bytes(lists(private)[name])
        assert len(decord.VideoReader(str(path))) > 0
    path = private.parent / 'clip.mp4'
    path.write_bytes(lists(private)['concat'])
    with av.open(str(path)) as container:
        assert container.format.name == 'concat'


@pytest.mark.parametrize('suffix', ['.mp4', '.m3u8', '.gif'])
def test_lists_are_refused(private: Path, suffix: str) -> None:
    """By all that reads videos, in the folder of the data set as elsewhere."""
    for kind, content in lists(private).items():
        path = private.parent / f'clip{suffix}'
        path.write_bytes(content)
        assert stated_size(str(path)) is None, kind
        with pytest.raises(ValueError, match=r'clip.* is no video that can be read'):
            open_video(path)
        with pytest.raises(UnreadableVideoError):
            list(av_reader.decode_all(str(path)))
        with pytest.raises(UnreadableVideoError):
            VideoFiles(paths=[str(path)]).probe(str(path), 'clip')


def test_the_reason_is_told(private: Path, tmp_path: Path) -> None:
    path = tmp_path / 'clip.mp4'
    for kind in ('hls', 'byte-order mark', 'concat', 'dash without head'):
        path.write_bytes(lists(private)[kind].lstrip(b'\n'))
        with pytest.raises(UnreadableVideoError, match='is a playlist, which only names'):
            check_no_list(str(path))
    path.unlink()
    with pytest.raises(UnreadableVideoError, match='does not exist'):
        check_no_list(str(path))


@pytest.mark.parametrize('suffix', ['mp4', 'mkv', 'avi', 'mov', 'mpg', 'ts', 'gif'])
def test_videos_are_none(tmp_path: Path, suffix: str) -> None:
    """Of every container; their size is that of the frames."""
    path = tmp_path / f'clip.{suffix}'
    codec = {'mpg': 'mpeg1video', 'ts': 'mpeg2video', 'gif': 'gif'}.get(suffix, 'mpeg4')
    with av.open(str(path), 'w') as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = 64, 48
        stream.pix_fmt = 'rgb8' if suffix == 'gif' else 'yuv420p'
        grey = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8))
        for _ in range(12):
            container.mux(stream.encode(grey.reformat(format=stream.pix_fmt)))
        container.mux(stream.encode())
    check_no_list(str(path))
    assert stated_size(str(path)) == (48, 64)
    assert next(av_reader.decode_all(str(path))).shape == (48, 64, 3)


def test_a_real_clip_is_none(tmp_path: Path) -> None:
    path = tmp_path / 'named.m3u8'
    shutil.copy(sample_video('carphone_pristine.mp4'), path)
    assert stated_size(str(path)) == open_video(path).size
