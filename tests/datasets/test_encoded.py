"""Frames that are decoded by the transform that needs them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from PIL import Image

from tests.datasets.broken import BROKEN, SIZE, UNUSUAL
from tests.datasets.decoding.pictures import jpeg, smooth
from tests.datasets.media import FakeSource, numbered, write_frames
from tests.real_data import real_data
from videomac.datasets import (
    FrameFolders,
    FramePairDataset,
    FramesRandomResizedCrop,
    UnreadableVideoError,
)
from videomac.datasets.collate import repeated_collate
from videomac.datasets.sources import EncodedFrames

CROP = {'type': 'FramesRandomResizedCrop', 'size': 16}
PACK = {'type': 'PackFrames'}


def write_clip(folder: Path, number: int = 4) -> Path:
    """Write a video of JPEGs, of 96x64 pixels."""
    folder.mkdir(parents=True)
    for i in range(number):
        (folder / f'{i:03}.jpg').write_bytes(jpeg(smooth(64, 96, i)))
    return folder


def decoded_first(results: dict[str, Any]) -> dict[str, Any]:
    """A step that keeps the frames from arriving undecoded."""
    assert isinstance(results['frames'], torch.Tensor)
    return results


@pytest.mark.parametrize('interpolation', ['bicubic', 'bilinear', 'nearest'])
def test_same_crop_as_of_decoded_frames(tmp_path: Path, interpolation: str) -> None:
    write_clip(tmp_path / 'v')
    source = {'type': 'FrameFolders', 'data_root': str(tmp_path)}
    crop = dict(CROP, interpolation=interpolation, size=(40, 48))  # too big to reduce
    lazy = FramePairDataset(source, [crop])
    plain = FramePairDataset(source, [decoded_first, crop])
    for seed in range(20):
        torch.manual_seed(seed)
        actual = lazy[seed % 3]
        state = torch.get_rng_state()
        torch.manual_seed(seed)
        expected = plain[seed % 3]
        assert torch.equal(state, torch.get_rng_state())
        assert actual['frame_indices'] == expected['frame_indices']
        difference = actual['frames'].float() - expected['frames'].float()
        assert difference.abs().mean() < 1


def test_real_frames_differ_little() -> None:
    """At most 2 of 255 on average, reduced (size 96) or not; they are 456x256."""
    source = {'type': 'YouTubeVOS', 'data_root': str(real_data('ytvos', 'train'))}
    for size in (224, 96):
        errors = []
        lazy = FramePairDataset(source, [dict(CROP, size=size)])
        plain = FramePairDataset(source, [decoded_first, dict(CROP, size=size)])
        for index in range(0, len(lazy), len(lazy) // 12):
            torch.manual_seed(index)
            actual = lazy[index]['frames'].float()
            torch.manual_seed(index)
            difference = actual - plain[index]['frames'].float()
            errors.append(float(difference.abs().mean()))
        assert np.mean(errors) < 2
        assert max(errors) < 4  # the sharpest of frames, reduced


@pytest.mark.parametrize('case', BROKEN)
def test_broken_files_are_refused_as_ever(tmp_path: Path, case: str) -> None:
    name, make, reason = BROKEN[case]
    path = tmp_path / 'odd' / name
    path.parent.mkdir()
    path.write_bytes(make())
    source = FrameFolders(str(tmp_path))
    (video,) = source.scan()

    def read() -> None:
        FramesRandomResizedCrop(8)({'frames': source.fetch(video, [0])})

    with pytest.raises(UnreadableVideoError) as raised:
        read()
    assert raised.value.path == str(path)
    assert reason in str(raised.value)


@pytest.mark.parametrize('case', UNUSUAL)
def test_unusual_files_are_read_as_ever(tmp_path: Path, case: str) -> None:
    name, make, colour = UNUSUAL[case]
    (tmp_path / 'odd').mkdir()
    (tmp_path / 'odd' / name).write_bytes(make())
    source = FrameFolders(str(tmp_path))
    (video,) = source.scan()
    frames = source.fetch(video, [0])
    assert frames is not None
    assert frames.size == SIZE[::-1]
    window = (0, 0, SIZE[1], SIZE[0])
    crop = frames.crop(window, (6, 10), 'bicubic')
    np.testing.assert_allclose(crop.float().mean((0, 2, 3)), colour, atol=3)
    whole = source.read(video, [0])
    actual = frames.decode().permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(actual.astype(int), whole, atol=3)


def test_sizes_must_agree(tmp_path: Path) -> None:
    write_clip(tmp_path / 'v', 2)
    (tmp_path / 'v' / '001.jpg').write_bytes(jpeg(smooth(64, 80)))
    source = FrameFolders(str(tmp_path))
    (video,) = source.scan()
    with pytest.raises(UnreadableVideoError, match=r'001\.jpg: is 80x64 .* 96x64'):
        source.fetch(video, [0, 1])
    Image.new('RGB', (80, 64)).save(tmp_path / 'v' / '001.jpg', 'PNG')
    with pytest.raises(UnreadableVideoError, match=r'001\.jpg: is 80x64 .* 96x64'):
        source.fetch(video, [0, 1])


def test_damage_that_pillow_tolerates_is_tolerated() -> None:
    """A fast decoder's complaint is no verdict: Pillow has the last word."""
    data = bytearray(jpeg(smooth(64, 96)))
    data[-40:-2] = b'\x11' * 38
    frames = EncodedFrames(['a.jpg'], [bytes(data)])
    assert frames.crop((0, 0, 64, 96), (16, 24), 'bicubic').shape == (1, 3, 16, 24)
    assert frames.decode().shape == (1, 3, 64, 96)


def test_sources_without_files_are_read_as_ever() -> None:
    data = FramePairDataset(FakeSource([3]), [CROP, PACK])
    assert data[0]['inputs'].shape == (2, 3, 16, 16)


def test_repeated_samples(tmp_path: Path) -> None:
    write_clip(tmp_path / 'v', 3)
    source = {'type': 'FrameFolders', 'data_root': str(tmp_path)}
    pipeline: list[Any] = [CROP, {'type': 'FramesRandomFlip'}, PACK]
    once = FramePairDataset(source, [decoded_first, *pipeline])
    data = FramePairDataset(source, pipeline, repeats=3)
    assert len(data) == len(once) == 2
    torch.manual_seed(5)
    samples = data[1]
    torch.manual_seed(5)
    for sample in samples:  # each with draws of its own, one after the other
        expected = once[1]
        assert sample['data_samples'].frame_indices == [1, 2]
        difference = sample['inputs'].float() - expected['inputs'].float()
        assert difference.abs().mean() < 1
    assert not torch.equal(samples[0]['inputs'], samples[1]['inputs'])
    batch = repeated_collate([data[0], data[1]])
    assert batch['inputs'].shape == (6, 2, 3, 16, 16)
    shown = [sample.frame_indices for sample in batch['data_samples']]
    assert shown == [[0, 1]] * 3 + [[1, 2]] * 3


def test_repeated_samples_decode_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_frames(tmp_path / 'v', numbered(2, '.jpg'))
    source = {'type': 'FrameFolders', 'data_root': str(tmp_path)}
    calls = []
    original = EncodedFrames.decode

    def counted(frames: EncodedFrames) -> torch.Tensor:
        calls.append(frames)
        return original(frames)

    monkeypatch.setattr(EncodedFrames, 'decode', counted)
    assert len(FramePairDataset(source, [CROP], repeats=4)[0]) == 4
    assert len(calls) == 1


def test_wrong_use_of_repeats(tmp_path: Path) -> None:
    write_frames(tmp_path / 'v', numbered(2))
    source = {'type': 'FrameFolders', 'data_root': str(tmp_path)}
    with pytest.raises(ValueError, match='repeats must be an integer of at least 1'):
        FramePairDataset(source, [CROP], repeats=0)
    item = FramePairDataset(source, [CROP, PACK])[0]
    with pytest.raises(TypeError, match='set repeats of FramePairDataset'):
        repeated_collate([item])


def test_repeats_from_a_config(tmp_path: Path) -> None:
    write_clip(tmp_path / 'v', 5)
    source = {'type': 'FrameFolders', 'data_root': str(tmp_path)}
    dataset = {
        'type': 'FramePairDataset',
        'source': source,
        'pipeline': [CROP, PACK],
        'repeats': 2,
        '_scope_': 'videomac',
    }
    loader = Runner.build_dataloader(
        {
            'batch_size': 2,
            'num_workers': 0,
            'sampler': {'type': 'DefaultSampler', 'shuffle': False},
            'collate_fn': {'type': 'repeated_collate'},
            'dataset': dataset,
        }
    )
    batches = [batch['inputs'].shape for batch in loader]
    assert batches == [(4, 2, 3, 16, 16)] * 2
