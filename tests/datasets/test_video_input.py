"""Videos in every form a caller may have them in give the same pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from tests.datasets.media import sample_video
from videomac.datasets import video_input
from videomac.datasets.network_frames import NetworkFrames, network_tensor
from videomac.datasets.sources import VideoFiles
from videomac.datasets.video_input import CHUNK, open_video

VIDEO = np.random.default_rng(0).integers(0, 256, (12, 10, 14, 3), dtype=np.uint8)


def write(folder: Path) -> list[Path]:
    """Write the frames without loss; natural order is not that of the letters."""
    files = [folder / f'frame_{index}.png' for index in range(len(VIDEO))]
    for path, picture in zip(files, VIDEO, strict=True):
        Image.fromarray(picture).save(path)
    return files


def test_all_forms(tmp_path: Path) -> None:
    files = write(tmp_path)
    (tmp_path / 'notes.txt').write_text('no frame')
    forms: dict[str, Any] = {
        'folder': tmp_path,
        'files': files,
        'names': [str(path) for path in files],
        'array': VIDEO,
        'arrays': list(VIDEO),
        'pictures': [Image.fromarray(picture) for picture in VIDEO],
        'tensor': torch.from_numpy(VIDEO).permute(0, 3, 1, 2),
        'again': open_video(VIDEO),
    }
    for form, video in forms.items():
        opened = open_video(video)
        assert opened.size == (10, 14), form
        np.testing.assert_array_equal(np.stack(list(opened)), VIDEO, form)
    assert open_video(tmp_path).name == tmp_path.name
    np.testing.assert_array_equal(open_video(files[3])[0], VIDEO[3])


@given(st.slices(12), st.data())
def test_choosing_frames(part: slice, data: st.DataObject) -> None:
    numbers = data.draw(st.lists(st.integers(-12, 11), min_size=1, max_size=5))
    np.testing.assert_array_equal(
        np.stack(list(open_video(VIDEO, numbers))), VIDEO[numbers]
    )
    if len(VIDEO[part]):
        np.testing.assert_array_equal(
            np.stack(list(open_video(VIDEO, part))), VIDEO[part]
        )
        again = open_video(open_video(VIDEO)[part])
        np.testing.assert_array_equal(np.stack(list(again)), VIDEO[part])
    else:
        with pytest.raises(ValueError, match='has no frames'):
            open_video(VIDEO, part)


@pytest.mark.parametrize('frames', [[True, False, True], [0.0, 1.0], 3, '12'])
def test_frames_that_are_no_numbers(frames: Any) -> None:
    with pytest.raises(ValueError, match='frames must be a slice or a sequence'):
        open_video(VIDEO, frames)
    numbers: Any = np.array([2, 0])
    np.testing.assert_array_equal(
        np.stack(list(open_video(VIDEO, numbers))), VIDEO[numbers]
    )


def test_video_files() -> None:
    path = sample_video('carphone_pristine.mp4')
    source = VideoFiles(paths=[str(path)])
    (record,) = source.scan()
    opened = open_video(path)
    assert len(opened) == record.num_frames
    numbers = [0, 1, CHUNK, 3, CHUNK - 1, record.num_frames - 1]
    want = source.read(record, numbers)
    for index, picture in zip(numbers, want, strict=True):
        np.testing.assert_array_equal(opened[index], picture)


def test_large_frames_are_few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded, whatever the size; the first is read alone to learn it."""
    path = sample_video('carphone_pristine.mp4')
    read, numbers = VideoFiles.read, []

    def noting(self: VideoFiles, record: Any, indices: Any) -> Any:
        numbers.append(len(indices))
        return read(self, record, indices)

    monkeypatch.setattr(VideoFiles, 'read', noting)
    want = np.stack(list(open_video(path)[: CHUNK + 2]))
    assert numbers[:3] == [1, CHUNK, CHUNK]
    for most in (1, 3):
        numbers.clear()
        bytes_ = most * want[0].nbytes + 1
        monkeypatch.setattr(video_input, 'CHUNK_BYTES', bytes_)
        got = np.stack(list(open_video(path)[: CHUNK + 2]))
        np.testing.assert_array_equal(got, want)
        assert numbers[0] == 1
        assert set(numbers[1:]) == {most}
    monkeypatch.setattr(video_input, 'CHUNK_BYTES', 0)
    np.testing.assert_array_equal(open_video(path)[1], want[1])


def test_pictures_are_decoded_as_in_the_evaluation(tmp_path: Path) -> None:
    """To the last bit, JPEG and resizing included."""
    path = tmp_path / 'frame.jpg'
    Image.fromarray(VIDEO[0]).save(path)
    pixels = np.array([0.4, 0.5, 0.6], np.float32), np.array([0.2, 0.3, 0.4], np.float32)
    want = NetworkFrames([path], (21, 16), *(each.tolist() for each in pixels))[0]
    got = network_tensor(open_video([path])[0], (21, 16), *pixels)
    assert torch.equal(got, want)


def test_cut_pictures_are_refused(tmp_path: Path) -> None:
    """As the evaluation does; OpenCV would paint the rest grey."""
    path = tmp_path / 'frame.jpg'
    Image.fromarray(VIDEO[0]).resize((200, 200)).save(path)
    path.write_bytes(path.read_bytes()[:-1500])
    for video in (path, tmp_path, [path]):
        with pytest.raises(ValueError, match=r"frame\.jpg' .*its end is missing"):
            open_video(video)


def grey(*shape: int) -> NDArray[np.uint8]:
    return np.zeros(shape, np.uint8)


@pytest.mark.parametrize(
    ('video', 'problem'),
    [
        (grey(4, 10, 14), r'\[T, H, W, 3\], got \[4, 10, 14\]'),
        (torch.zeros(2, 10, 14, 3, dtype=torch.uint8), r'\[T, 3, H, W\]'),
        (VIDEO / 255, r'float64; .*uint8'),
        ([grey(4, 6, 3), grey(4, 7, 3)], '7 x 4 pixels, but the first is 6 x 4'),
        ([grey(4, 6)], r'frame 0 must be \[H, W, 3\]'),
        ([torch.zeros(3, 4, 6)], r'torch\.stack'),
        ([], 'no frames'),
        (7, 'cannot be a int'),
    ],
)
def test_bad_videos(video: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        list(open_video(video))


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='no file or folder'):
        open_video(tmp_path / 'none.mp4')
    with pytest.raises(FileNotFoundError, match=r'none.png.*\(frame 0\)'):
        open_video([tmp_path / 'none.png'])
    with pytest.raises(ValueError, match='has no picture'):
        open_video(tmp_path)
    for name, problem in (
        ('a.mp4', 'no video that can be read'),
        ('a.png', 'no picture'),
    ):
        (tmp_path / name).write_bytes(b'<html>')
        with pytest.raises(ValueError, match=problem):
            open_video(tmp_path / name)
    with pytest.raises(ValueError, match=r'frames 0 to 11, but \[12\]'):
        open_video(VIDEO, [0, 12])
