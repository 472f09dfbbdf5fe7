"""Video files through decord."""

import builtins
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch.utils.data import DataLoader

from tests.datasets.media import sample_video
from tests.real_data import real_data
from videomac.datasets import FramePairDataset, UnreadableVideoError, VideoFiles

pytest.importorskip('decord')
cv2: Any = pytest.importorskip('cv2')


def write_video(path: Path, number: int) -> Path:
    """Write a video of ``number`` frames; frame ``i`` has red ``16 * i``, blue 200."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 10, (64, 48))
    for i in range(number):
        writer.write(np.full((48, 64, 3), (200, 0, 16 * i), np.uint8))  # BGR
    writer.release()
    return path


def test_scan_and_read(tmp_path: Path) -> None:
    write_video(tmp_path / 'class' / 'v10.mp4', 6)
    write_video(tmp_path / 'class' / 'v2.MP4', 8)
    extra = write_video(tmp_path / 'elsewhere.mp4', 3)
    (tmp_path / 'class' / 'readme.txt').write_text('no video')
    source = VideoFiles(str(tmp_path / 'class'), paths=[str(extra)])
    videos = source.scan()
    lengths = {video.name: video.num_frames for video in videos}
    assert lengths == {str(extra): 3, 'v2.MP4': 8, 'v10.mp4': 6}
    assert [video.name for video in videos][1:] == ['v2.MP4', 'v10.mp4']
    frames = source.read(videos[1], [5, 0, 7])
    assert frames.shape == (3, 48, 64, 3)
    assert frames.dtype == np.uint8
    expected = [[80, 0, 200], [0, 0, 200], [112, 0, 200]]  # RGB
    np.testing.assert_allclose(frames.mean((1, 2)), expected, atol=12)


def test_same_frames_as_opencv() -> None:
    path = sample_video('bikes.mp4')
    source = VideoFiles(paths=[str(path)])
    (video,) = source.scan()
    indices = [3, 60]
    capture = cv2.VideoCapture(str(path))
    decoded = [capture.read()[1][..., ::-1] for _ in range(61)]
    frames = source.read(video, indices)
    for frame, i in zip(frames, indices, strict=True):
        assert np.abs(frame.astype(int) - decoded[i]).mean() < 2


def test_unreadable_at_scan(tmp_path: Path, messages: list[str]) -> None:
    write_video(tmp_path / 'good.mp4', 3)
    (tmp_path / 'empty.mp4').write_bytes(b'')
    (tmp_path / 'text.mp4').write_text('no video')
    (video,) = VideoFiles(str(tmp_path)).scan()
    assert video.name == 'good.mp4'
    assert any('empty.mp4' in message for message in messages)
    assert any('text.mp4' in message for message in messages)
    assert any('2 of 3 video files' in message for message in messages)
    (tmp_path / 'good.mp4').unlink()
    with pytest.raises(ValueError, match=r'none of 2 video files.*empty\.mp4'):
        VideoFiles(str(tmp_path)).scan()


def test_unreadable_at_read(tmp_path: Path) -> None:
    path = write_video(tmp_path / 'a.mp4', 8)
    source = VideoFiles(str(tmp_path))
    (video,) = source.scan()
    with pytest.raises(UnreadableVideoError, match=r'a\.mp4.*frames \[8\]'):
        source.read(video, [8])
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UnreadableVideoError, match=r'a\.mp4.*decord'):
        source.read(video, [0])
    path.unlink()
    with pytest.raises(UnreadableVideoError, match='does not exist'):
        source.read(video, [0])


def test_arguments(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='data_root'):
        VideoFiles()
    with pytest.raises(TypeError, match='paths'):
        VideoFiles(paths='a.mp4')
    with pytest.raises(FileNotFoundError, match=r'gone\.mp4'):
        VideoFiles(paths=[str(tmp_path / 'gone.mp4')]).scan()
    with pytest.raises(ValueError, match='paths is empty'):
        VideoFiles(paths=[]).scan()


def test_without_decord(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / 'a.mp4', 3)
    original = builtins.__import__

    def refuse(name: str, *args: Any) -> Any:
        if name == 'decord':
            raise ImportError('No module named decord')
        return original(name, *args)

    monkeypatch.delitem(sys.modules, 'decord')
    monkeypatch.setattr(builtins, '__import__', refuse)
    with pytest.raises(ImportError, match='pip install decord'):
        VideoFiles(str(tmp_path)).scan()


def test_loader_workers_read_files(tmp_path: Path) -> None:
    write_video(tmp_path / 'a.mp4', 9)
    pipeline: list[Any] = [
        {'type': 'FramesResizedCenterCrop', 'size': 32},
        {'type': 'PackFrames'},
    ]
    data = FramePairDataset({'type': 'VideoFiles', 'data_root': str(tmp_path)}, pipeline)
    loader: DataLoader[Any] = DataLoader(data, 4, num_workers=2, collate_fn=list)
    samples = [sample for batch in loader for sample in batch]
    assert len(samples) == 8
    for i, sample in enumerate(samples):
        red = sample['inputs'][:, 0].float().mean((1, 2)).numpy()
        np.testing.assert_allclose(red, [16 * i, 16 * i + 16], atol=12)


def test_real_videos() -> None:
    source = VideoFiles(str(real_data('videos')), suffixes=['.mp4', '.mkv'])
    lengths = {video.name: video.num_frames for video in source.scan()}
    assert lengths['intel_asl_again.mkv'] == 77
    assert lengths['torchcodec_nasa_13013.mp4'] == 390
    assert len(lengths) == 24
