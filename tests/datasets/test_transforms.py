"""Transforms of frames."""

from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tvf

from tests.datasets.media import noise
from videomac.registry import TRANSFORMS

CROP = {'type': 'FramesRandomResizedCrop', 'size': 24}
COLOR = {'type': 'FramesColorJitter'}
RANDOM = [CROP, {'type': 'FramesRandomFlip'}, COLOR]


def run(cfg: dict[str, Any], frames: Tensor, seed: int = 0) -> Tensor:
    """Apply a transform after seeding torch."""
    torch.manual_seed(seed)
    return TRANSFORMS.build(cfg)({'frames': frames})['frames']


@pytest.mark.parametrize('cfg', RANDOM, ids=lambda cfg: cfg['type'])
def test_identical_frames_stay_identical(cfg: dict[str, Any]) -> None:
    frame = noise(1, 3, 40, 50)
    frames = frame.repeat(3, 1, 1, 1)
    results = [run(cfg, frames, seed) for seed in range(8)]
    for result in results:
        assert result.dtype == torch.uint8
        assert torch.equal(result[0], result[1])
        assert torch.equal(result[0], result[2])
    assert any(not torch.equal(result, results[0]) for result in results)


@pytest.mark.parametrize('cfg', RANDOM, ids=lambda cfg: cfg['type'])
def test_frames_are_transformed_one_by_one(cfg: dict[str, Any]) -> None:
    frames = noise(2, 3, 40, 50)
    for seed in range(5):
        together = run(cfg, frames, seed)
        alone = torch.cat([run(cfg, frame[None], seed) for frame in frames])
        assert torch.equal(together, alone)


@pytest.mark.parametrize('cfg', RANDOM, ids=lambda cfg: cfg['type'])
def test_seed_decides(cfg: dict[str, Any]) -> None:
    frames = noise(2, 3, 40, 50)
    assert torch.equal(run(cfg, frames, 3), run(cfg, frames, 3))


def test_crop_is_that_of_torchvision_and_says_where() -> None:
    """The same draws and pixels, and the window that they come from."""
    frames = noise(2, 3, 90, 70)
    theirs = v2.RandomResizedCrop(24, scale=(0.2, 1.0), interpolation=3, antialias=True)
    ours = TRANSFORMS.build(CROP)
    for seed in range(5):
        torch.manual_seed(seed)
        done, state = ours({'frames': frames}), torch.get_rng_state()
        torch.manual_seed(seed)
        assert torch.equal(done['frames'], theirs(frames))
        assert torch.equal(torch.get_rng_state(), state)
        ((top, left, height, width),) = done['windows']
        cut = frames[..., top : top + height, left : left + width]
        resized = tvf.resize(cut, [24, 24], v2.InterpolationMode.BICUBIC)
        assert torch.equal(done['frames'], resized)


def test_crop_window_can_be_read_off_and_is_shared() -> None:
    H, W = 90, 120
    rows, columns = torch.meshgrid(torch.arange(H), torch.arange(W), indexing='ij')
    first = torch.stack([rows, columns, torch.zeros_like(rows)]).to(torch.uint8)
    frames = torch.stack([first, first + 100])
    cfg = dict(CROP, interpolation='bilinear')
    areas = []
    for seed in range(200):
        crop = run(cfg, frames, seed).float()
        torch.testing.assert_close(crop[1], crop[0] + 100, atol=1, rtol=0)
        # Rows and columns rise by a constant step, one step per pixel of the result.
        height = float(crop[0, 0, 20, 0] - crop[0, 0, 3, 0]) / 17 * 24
        width = float(crop[0, 1, 0, 20] - crop[0, 1, 0, 3]) / 17 * 24
        assert 0.7 < width / height < 1.42
        areas.append(height * width / (H * W))
    assert 0.17 < min(areas) < 0.3
    assert max(areas) > 0.8


def test_crop_equals_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    low = noise(2, 3, 9, 12)
    frames = tvf.resize(low, [90, 120], antialias=True)  # smooth, as photographs are
    crop = TRANSFORMS.build(dict(CROP, size=(24, 32)))
    window = {'top': 11, 'left': 7, 'height': 61, 'width': 95}
    monkeypatch.setattr(crop._crop, 'make_params', lambda inputs: window)
    result = crop({'frames': frames})['frames']
    for frame, actual in zip(frames, result, strict=True):
        image = Image.fromarray(frame.permute(1, 2, 0).numpy())
        image = image.crop((7, 11, 7 + 95, 11 + 61)).resize(
            (32, 24), Image.Resampling.BICUBIC
        )
        difference = (tvf.pil_to_tensor(image).int() - actual.int()).abs()
        assert difference.max() <= 2


@pytest.mark.parametrize(('prob', 'flips'), [(0.0, 0), (1.0, 20)])
def test_flip_certain(prob: float, flips: int) -> None:
    frames = noise(2, 3, 6, 7)
    cfg = {'type': 'FramesRandomFlip', 'prob': prob}
    results = [run(cfg, frames, seed) for seed in range(20)]
    assert sum(torch.equal(r, frames.flip(-1)) for r in results) == flips
    assert sum(torch.equal(r, frames) for r in results) == 20 - flips


def test_flip_probability_and_sharing() -> None:
    frames = noise(2, 3, 6, 7)
    flip = TRANSFORMS.build({'type': 'FramesRandomFlip', 'prob': 0.3})
    torch.manual_seed(0)
    results = [flip({'frames': frames})['frames'] for _ in range(2000)]
    flipped = sum(torch.equal(r, frames.flip(-1)) for r in results)
    assert flipped + sum(torch.equal(r, frames) for r in results) == 2000
    assert abs(flipped / 2000 - 0.3) < 0.04


def test_no_jitter_is_identity() -> None:
    frames = noise(2, 3, 6, 7)
    cfg = dict(COLOR, brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0)
    assert torch.equal(run(cfg, frames), frames)


@pytest.mark.parametrize('shape', [(90, 120), (120, 90), (17, 300), (33, 33)])
@pytest.mark.parametrize('size', [32, (24, 40)])
@pytest.mark.parametrize('crop_ratio', [1.0, 0.875])
def test_resized_center_crop_size(
    shape: tuple[int, int], size: int | tuple[int, int], crop_ratio: float
) -> None:
    cfg = {'type': 'FramesResizedCenterCrop', 'size': size, 'crop_ratio': crop_ratio}
    frames = noise(2, 3, *shape)
    result = run(cfg, frames, 0)
    expected = (size, size) if isinstance(size, int) else size
    assert result.shape == (2, 3, *expected)
    assert torch.equal(result, run(cfg, frames, 1))


def test_resized_center_crop_keeps_the_centre() -> None:
    frames = torch.zeros(1, 3, 20, 60, dtype=torch.uint8)
    frames[..., 20:40] = 255
    result = run({'type': 'FramesResizedCenterCrop', 'size': 20}, frames)
    assert (result == 255).all()


def test_pack() -> None:
    frames = noise(2, 6, 7, 3).permute(0, 3, 1, 2)
    results = {'frames': frames, 'video': 'v', 'frame_indices': [3, 4], 'more': 1}
    packed = TRANSFORMS.build({'type': 'PackFrames'})(results)
    assert set(packed) == {'inputs', 'data_samples'}
    assert packed['inputs'].is_contiguous()
    assert torch.equal(packed['inputs'], frames)
    assert packed['data_samples'].metainfo == {'video': 'v', 'frame_indices': [3, 4]}
    with pytest.raises(KeyError, match='label'):
        TRANSFORMS.build({'type': 'PackFrames', 'meta_keys': ['label']})(results)


@pytest.mark.parametrize(
    ('cfg', 'error', 'words'),
    [
        (dict(CROP, size=0), ValueError, 'size.*0'),
        (dict(CROP, size=22.4), ValueError, r'size.*22\.4'),
        (dict(CROP, size=(1, 2, 3)), ValueError, 'size'),
        (dict(CROP, scale=(0.5, 0.2)), ValueError, r'scale.*0\.5, 0\.2'),
        (dict(CROP, scale=(0.2, 1.5)), ValueError, r'scale.*1\.5'),
        (dict(CROP, scale=0.2), ValueError, r'scale.*0\.2'),
        (dict(CROP, ratio=(0, 1)), ValueError, 'ratio'),
        (dict(CROP, interpolation='cubic'), ValueError, "interpolation.*'cubic'"),
        ({'type': 'FramesRandomFlip', 'prob': 1.5}, ValueError, r'prob.*1\.5'),
        (dict(COLOR, hue=0.6), ValueError, r'hue.*0\.6'),
        (dict(COLOR, brightness=-1), ValueError, 'brightness.*-1'),
        (
            {'type': 'FramesResizedCenterCrop', 'size': 8, 'crop_ratio': 2},
            ValueError,
            'crop_ratio.*2',
        ),
        ({'type': 'PackFrames', 'meta_keys': 'video'}, TypeError, "'video'"),
        (dict(CROP, sclae=(0.2, 1)), TypeError, 'sclae'),
        ({'type': 'FramesRandomFlip', 'p': 0.5}, TypeError, "'p'"),
    ],
)
def test_wrong_arguments(cfg: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        TRANSFORMS.build(cfg)


def test_repr_names_the_parameters() -> None:
    assert 'scale=(0.2, 1.0)' in repr(TRANSFORMS.build(CROP))
    assert 'hue=0.1' in repr(TRANSFORMS.build(COLOR))
    assert 'prob=0.5' in repr(TRANSFORMS.build({'type': 'FramesRandomFlip'}))
    crop = {'type': 'FramesResizedCenterCrop', 'size': 8}
    assert 'crop_ratio=1.0' in repr(TRANSFORMS.build(crop))
    assert 'frame_indices' in repr(TRANSFORMS.build({'type': 'PackFrames'}))
