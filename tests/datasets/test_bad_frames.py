"""Pre-training on files that are broken: each is named, replaced and counted."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.datasets.broken import BROKEN, SIZE, UNUSUAL, break_path
from tests.datasets.media import numbered, write_frames
from videomac.datasets import FrameFolders, FramePairDataset, UnreadableVideoError


def clip_with(folder: Path, name: str, content: bytes) -> Path:
    """Write a good clip, and a clip of one frame of that content."""
    write_frames(folder / 'good', numbered(30), size=SIZE)
    (folder / 'odd').mkdir()
    path = folder / 'odd' / name
    path.write_bytes(content)
    return path


def singles(folder: Path, **options: Any) -> FramePairDataset:
    """Every frame below a folder is a sample."""
    source = {'type': 'FrameFolders', 'data_root': str(folder)}
    return FramePairDataset(source, [], num_frames=1, **options)


def sample_of(data: FramePairDataset, video: str) -> int:
    """Number of the first sample of a video."""
    return next(i for i in range(len(data)) if data.locate(i)[0].name == video)


@pytest.mark.parametrize('case', BROKEN)
def test_broken_frame(tmp_path: Path, messages: list[str], case: str) -> None:
    name, make, reason = BROKEN[case]
    path = clip_with(tmp_path, name, make())
    data = singles(tmp_path)
    sample = data[sample_of(data, 'odd')]
    assert sample['video'] == 'good'
    assert data.counts['paths'] == [str(path)]
    assert data.counts['unreadable'] >= 1
    (warning,) = [message for message in messages if str(path) in message]
    assert warning.startswith(f'drawing another sample: cannot read {path}: ')
    assert reason in warning


@pytest.mark.parametrize('case', UNUSUAL)
def test_unusual_frame(tmp_path: Path, case: str) -> None:
    name, make, colour = UNUSUAL[case]
    path = clip_with(tmp_path, name, make())
    source = FrameFolders(str(tmp_path))
    video = next(v for v in source.scan() if v.name == 'odd')
    frames = source.read(video, [0])
    assert frames.shape == (1, SIZE[1], SIZE[0], 3), path  # EXIF's rotation is not done
    # The mean: palette and black and white are dithered.
    np.testing.assert_allclose(frames.mean((0, 1, 2)), colour, atol=3)


@pytest.mark.parametrize('damage', ['broken link', 'folder', 'missing'])
def test_frame_that_went_away(tmp_path: Path, messages: list[str], damage: str) -> None:
    path = clip_with(tmp_path, 'f.png', b'scanned while it was there')
    data = singles(tmp_path)
    reason = break_path(path, damage)
    assert data[sample_of(data, 'odd')]['video'] == 'good'
    assert any(str(path) in message and reason in message for message in messages)


@pytest.mark.skipif(os.geteuid() == 0, reason='root may read everything')
def test_frame_without_permission(tmp_path: Path, messages: list[str]) -> None:
    path = clip_with(tmp_path, 'f.png', b'nobody may read this')
    path.chmod(0)
    data = singles(tmp_path)
    assert data[sample_of(data, 'odd')]['video'] == 'good'
    assert any('may not read it; change its permissions' in m for m in messages)


def test_floating_point_pixels_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / 'clip'
    folder.mkdir()
    Image.new('F', SIZE, 0.5).save(folder / 'a.tif')
    source = FrameFolders(str(tmp_path))
    with pytest.raises(UnreadableVideoError, match='floating point; convert it'):
        source.read(source.scan()[0], [0])


def test_names_that_are_not_utf8_and_long_ones(
    tmp_path: Path, messages: list[str]
) -> None:
    folder = os.fsencode(tmp_path) + b'/caf\xe9'
    try:
        os.mkdir(folder)
    except OSError:
        pytest.skip('this file system wants names in UTF-8')
    names = [b'\xff\xfe.png', b'\xff.png', b'0' * 200 + b'9' * 51 + b'.png']
    for name in names[:1] + names[2:]:
        with open(folder + b'/' + name, 'wb') as file:
            Image.new('RGB', SIZE, (9, 9, 9)).save(file, 'PNG')
    with open(folder + b'/' + names[1], 'wb') as file:
        file.write(b'')
    data = singles(tmp_path)
    assert len(data) == 3
    for i in range(3):
        assert int(data[i]['frames'].max()) == 9
    (warning,) = [message for message in messages if 'the file is empty' in message]
    assert warning.encode().isascii()
    assert r'caf\udce9' in warning


def test_frames_of_two_sizes(tmp_path: Path, messages: list[str]) -> None:
    folder = write_frames(tmp_path / 'clip', numbered(20), size=SIZE)
    Image.new('RGB', (24, 40)).save(folder / '00007.png')
    data = FramePairDataset({'type': 'FrameFolders', 'data_root': str(tmp_path)}, [])
    for i in range(len(data)):
        assert data[i]['frames'].shape[-2:] == (SIZE[1], SIZE[0])
    # Alone it would be good: the pair is at fault, in which it is first or second.
    assert any('24x40 pixels' in m and 'must have one size' in m for m in messages)


def test_replacement_is_the_same_after_a_resume(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / 'clip', numbered(60), size=SIZE)
    bad = [3, 4, 17, 40]
    for i in bad:
        (folder / f'{i:05d}.png').write_bytes(b'')
    drawn = []
    for seed in (0, 1):  # a resumed run has another state of torch's generator
        torch.manual_seed(seed)
        data = singles(tmp_path, max_unreadable=1.0)
        state = torch.get_rng_state()
        order = bad if seed else bad[::-1]
        drawn.append({i: data[i]['frame_indices'] for i in order})
        assert torch.equal(torch.get_rng_state(), state)
        assert data[bad[0] - len(data)]['frame_indices'] == drawn[0][bad[0]]
    assert drawn[0] == drawn[1]
    assert len({tuple(indices) for indices in drawn[0].values()}) > 1
    assert not any(index in bad for indices in drawn[0].values() for index in indices)
