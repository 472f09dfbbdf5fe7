"""Frame folders, YouTube-VOS and lists of videos."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.datasets.media import numbered, sample_video, write_frames
from tests.real_data import real_data
from videomac.datasets import (
    FrameFolders,
    FrameSource,
    UnreadableVideoError,
    VideoList,
    YouTubeVOS,
)
from videomac.datasets.sources.images import natural_key
from videomac.registry import DATASETS


def found(source: FrameSource) -> dict[str, int]:
    """Names and lengths of all videos, in the order of the scan."""
    return {video.name: video.num_frames for video in source.scan()}


def test_natural_order() -> None:
    names = ['frame_10.jpg', 'frame_2.jpg', 'frame_1.jpg', '3.jpg', 'frame_02.jpg', 'b']
    assert sorted(names, key=natural_key) == [
        '3.jpg', 'b', 'frame_1.jpg', 'frame_02.jpg', 'frame_2.jpg', 'frame_10.jpg',
    ]  # fmt: skip


def test_frame_folders_flat_and_kinetics(tmp_path: Path) -> None:
    write_frames(tmp_path / 'flat2', numbered(3))
    write_frames(tmp_path / 'flat10', numbered(2, '.JPG'))
    write_frames(tmp_path / 'abseiling' / 'xyz_000001_000011', numbered(4))
    (tmp_path / 'empty').mkdir()
    write_frames(tmp_path / '.cache', numbered(2))
    (tmp_path / 'flat2' / '._00000.png').write_bytes(b'left by macOS')
    (tmp_path / 'flat2' / 'notes.txt').write_text('no frame')
    (tmp_path / 'flat2' / 'loop').symlink_to(tmp_path, target_is_directory=True)

    source = FrameFolders(str(tmp_path))
    expected = {'abseiling/xyz_000001_000011': 4, 'flat2': 3, 'flat10': 2}
    assert found(source) == expected
    assert list(found(source)) == list(expected)


def test_frame_folders_root_is_a_video(tmp_path: Path) -> None:
    write_frames(tmp_path / 'clip', numbered(3))
    assert found(FrameFolders(str(tmp_path / 'clip'))) == {'clip': 3}


def test_frame_folders_through_link(tmp_path: Path) -> None:
    write_frames(tmp_path / 'elsewhere' / 'clip', numbered(3))
    (tmp_path / 'root').mkdir()
    (tmp_path / 'root' / 'part').symlink_to(tmp_path / 'elsewhere')
    assert found(FrameFolders(str(tmp_path / 'root'))) == {'part/clip': 3}


def test_equal_frame_names_are_shared(tmp_path: Path) -> None:
    for name in 'ab':
        write_frames(tmp_path / name, numbered(3))
    a, b = FrameFolders(str(tmp_path)).scan()
    assert a.frames is b.frames


def test_read_in_natural_order_as_rgb(tmp_path: Path) -> None:
    folder = tmp_path / 'clip'
    folder.mkdir()
    for value in (1, 2, 10):
        Image.new('RGB', (6, 4), (value, 100, 200)).save(folder / f'frame_{value}.png')
    Image.new('L', (6, 4), 77).save(folder / 'frame_11.png')  # grey becomes RGB
    source = FrameFolders(str(tmp_path))
    frames = source.read(source.scan()[0], [2, 0, 3])
    assert frames.shape == (3, 4, 6, 3)
    assert frames.dtype == np.uint8
    assert frames.flags.writeable
    np.testing.assert_array_equal(
        frames[:, 0, 0], [[10, 100, 200], [1, 100, 200], [77] * 3]
    )


def test_suffixes(tmp_path: Path) -> None:
    write_frames(tmp_path / 'a', ['0.png', '1.jpg', '2.jpg'])
    assert found(FrameFolders(str(tmp_path), suffixes=['.JPG'])) == {'a': 2}
    with pytest.raises(TypeError, match=r"\['\.jpg'\]"):
        FrameFolders(str(tmp_path), suffixes='.jpg')
    with pytest.raises(ValueError, match=r"\['jpg'\]"):
        FrameFolders(str(tmp_path), suffixes=['jpg'])


@pytest.mark.parametrize('damage', ['truncated', 'empty', 'text', 'missing'])
def test_unreadable_frame(tmp_path: Path, damage: str) -> None:
    write_frames(tmp_path / 'clip', numbered(3, '.jpg'), size=(64, 64))
    source = FrameFolders(str(tmp_path))
    video = source.scan()[0]
    frame = tmp_path / 'clip' / '00001.jpg'
    content = frame.read_bytes()
    if damage == 'missing':
        frame.unlink()
    else:
        broken = {'truncated': content[:-40], 'empty': b'', 'text': b'no picture'}
        frame.write_bytes(broken[damage])
    with pytest.raises(UnreadableVideoError) as caught:
        source.read(video, [0, 1])
    assert caught.value.path == str(frame)
    reason = 'does not exist' if damage == 'missing' else 'cannot be decoded'
    assert reason in caught.value.reason
    assert str(frame) in str(caught.value)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.path, copy.reason) == (caught.value.path, caught.value.reason)
    source.read(video, [0, 2])  # the others can still be read


def test_frames_of_different_sizes(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / 'clip', numbered(1))
    Image.new('RGB', (12, 16)).save(folder / '00001.png')
    source = FrameFolders(str(tmp_path))
    with pytest.raises(UnreadableVideoError, match='12x16') as caught:
        source.read(source.scan()[0], [0, 1])
    assert '00001.png' in str(caught.value)
    assert '00000.png of the same video is 16x12' in str(caught.value)


@pytest.mark.parametrize('kind', ['FrameFolders', 'YouTubeVOS', 'VideoFiles'])
def test_missing_and_empty_root(tmp_path: Path, kind: str) -> None:
    nowhere = str(tmp_path / 'nowhere')
    with pytest.raises(FileNotFoundError, match=r'nowhere.*expected.*data_root'):
        DATASETS.build({'type': kind, 'data_root': nowhere}).scan()
    (tmp_path / 'JPEGImages').mkdir()
    with pytest.raises(ValueError, match='Check data_root') as caught:
        DATASETS.build({'type': kind, 'data_root': str(tmp_path)}).scan()
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    'kind', ['FrameFolders', 'YouTubeVOS', 'VideoFiles', 'VideoList']
)
def test_unknown_key_is_named(kind: str) -> None:
    with pytest.raises(TypeError, match='data_rot'):
        DATASETS.build({'type': kind, 'data_rot': 'data'})


def youtube_vos(root: Path, videos: dict[str, list[str]], listed: list[str]) -> None:
    """Write YouTube-VOS with ``meta.json``."""
    for name, frames in videos.items():
        write_frames(root / 'JPEGImages' / name, frames)
    meta: dict[str, Any] = {'videos': {name: {'objects': {}} for name in listed}}
    (root / 'meta.json').write_text(json.dumps(meta))


def test_youtube_vos_official_steps(tmp_path: Path) -> None:
    steps = [f'{i:05d}.jpg' for i in range(0, 50, 5)]
    youtube_vos(tmp_path, {'0043f083b5': steps, '003234408d': steps[:4]}, ['0043f083b5'])
    source = YouTubeVOS(str(tmp_path))
    (video,) = source.scan()
    assert (video.name, video.num_frames) == ('0043f083b5', 10)
    assert video.frames == tuple(steps)
    frames = source.read(video, [3, 4])
    assert frames.shape == (2, 12, 16, 3)
    np.testing.assert_allclose(frames[:, 0, 0, 0], [3, 4], atol=1)


def test_youtube_vos_every_frame_without_meta(tmp_path: Path) -> None:
    write_frames(tmp_path / 'JPEGImages' / 'b', numbered(7, '.jpg'))
    write_frames(tmp_path / 'JPEGImages' / 'a', numbered(5, '.jpg'))
    write_frames(tmp_path / 'Annotations' / 'a', numbered(5))
    assert found(YouTubeVOS(str(tmp_path))) == {'a': 5, 'b': 7}


def test_youtube_vos_missing_videos(tmp_path: Path, messages: list[str]) -> None:
    youtube_vos(tmp_path, {'a': numbered(2, '.jpg')}, ['a', 'gone1', 'gone2'])
    (tmp_path / 'JPEGImages' / 'gone2').mkdir()  # there, but without frames
    assert found(YouTubeVOS(str(tmp_path))) == {'a': 2}
    (warning,) = messages
    assert '2 of 3 videos' in warning
    assert 'gone1, gone2' in warning
    (tmp_path / 'meta.json').write_text(json.dumps({'videos': {'other': {}}}))
    with pytest.raises(ValueError, match='1 of 1 videos listed'):
        YouTubeVOS(str(tmp_path)).scan()


@pytest.mark.parametrize('text', ['{', '[]', '{"a": 1}', '{"videos": {}}'])
def test_youtube_vos_broken_meta(tmp_path: Path, text: str) -> None:
    write_frames(tmp_path / 'JPEGImages' / 'a', numbered(2))
    (tmp_path / 'meta.json').write_text(text)
    with pytest.raises(ValueError, match=r'meta\.json.*Fetch it anew'):
        YouTubeVOS(str(tmp_path)).scan()


def test_real_youtube_vos() -> None:
    source = YouTubeVOS(str(real_data('ytvos', 'train')))
    lengths = found(source)
    assert (len(lengths), sum(lengths.values())) == (27, 652)
    assert source.read(source.scan()[0], [0, 1]).shape == (2, 256, 456, 3)


def test_list_with_comments_crlf_and_bom(tmp_path: Path) -> None:
    write_frames(tmp_path / 'clips' / 'b', numbered(4), level=10)
    outside = write_frames(tmp_path / 'a c', numbered(3))
    clip = sample_video('carphone_pristine.mp4')
    lines = ['# my videos', 'b', '', f'  {outside}  ', str(clip)]
    path = tmp_path / 'list.txt'
    path.write_bytes(b'\xef\xbb\xbf' + '\r\n'.join(lines).encode())
    source = VideoList(str(path), data_root=str(tmp_path / 'clips'), outside=True)
    assert found(source) == {'b': 4, str(outside): 3, str(clip): 120}
    b, _, file = source.scan()
    assert source.read(b, [1, 3])[:, 0, 0, 0].tolist() == [11, 13]
    assert source.read(file, [0, 119]).shape == (2, 144, 176, 3)


def test_list_errors_name_the_line(tmp_path: Path) -> None:
    write_frames(tmp_path / 'a', numbered(2))
    (tmp_path / 'empty').mkdir()
    path = tmp_path / 'list.txt'

    def scan(content: str | bytes) -> None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        VideoList(str(path), str(tmp_path)).scan()

    with pytest.raises(FileNotFoundError, match=r'list\.txt:3: .*gone'):
        scan('# comment\na\ngone\n')
    with pytest.raises(ValueError, match=r'list\.txt:2: .*empty.* holds no frames'):
        scan('a\nempty\n')
    with pytest.raises(ValueError, match=r"list\.txt:3: 'a' is already in line 1"):
        scan('a\n\na\n')
    with pytest.raises(ValueError, match='names no video'):
        scan('\n# nothing\n')
    with pytest.raises(ValueError, match='not UTF-8'):
        scan(b'\xff\xfe\x00')
    with pytest.raises(FileNotFoundError, match=r'other\.txt.*list_file'):
        VideoList(str(tmp_path / 'other.txt')).scan()


def test_list_leaves_out_unreadable_files(tmp_path: Path, messages: list[str]) -> None:
    write_frames(tmp_path / 'a', numbered(2))
    (tmp_path / 'broken.mp4').write_bytes(b'')
    path = tmp_path / 'list.txt'
    path.write_text('broken.mp4\na\n')
    assert found(VideoList(str(path), str(tmp_path))) == {'a': 2}
    assert 'list.txt:1' in messages[0]
    path.write_text('broken.mp4\n')
    with pytest.raises(ValueError, match='none of 1 videos'):
        VideoList(str(path), str(tmp_path)).scan()
