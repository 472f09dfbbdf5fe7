"""The windows, crops and masks on the sheet are those of the model's own input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as tvf

from tests.datasets.media import numbered
from tests.tools.test_train_cli import load_tool
from videomac.datasets import FramePairDataset, RandomGapPairDataset
from videomac.models import RandomPatchMasking
from videomac.models.rivals import CropMAE, SiamMAE
from videomac.utils import tools_root
from videomac.visualization.sample_sheet import (
    CAPTION,
    FRAME,
    TrainingSample,
    Window,
    sample_sheet,
    training_samples,
)

tool = load_tool(tools_root() / 'visualization' / 'browse_dataset.py')

SIZE = 64
FRAMES = 3  # of a video


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos of smooth noise; JPEG, which is decoded in part for a crop."""
    root = tmp_path_factory.mktemp('data')
    rng = np.random.default_rng(0)
    for video in 'ab':
        (root / video).mkdir()
        for name in numbered(FRAMES, '.jpg'):
            noise = Image.fromarray(rng.integers(0, 256, (6, 8, 3)).astype(np.uint8))
            large = noise.resize((160, 120), Image.Resampling.BICUBIC)
            large.save(root / video / name, quality=95)
    return root


def make(data: Path, *steps: dict[str, Any], **settings: Any) -> FramePairDataset:
    pipeline = [*steps, dict(type='PackFrames')]
    source = dict(type='FrameFolders', data_root=str(data))
    return FramePairDataset(source, pipeline, **settings)


CROP = dict(type='FramesRandomResizedCrop', size=SIZE, scale=(0.2, 0.6))
FLIP = dict(type='FramesRandomFlip')


@pytest.mark.parametrize('repeats', [1, 3])
def test_windows_are_those_of_the_crops(data: Path, repeats: int) -> None:
    """The input is what a resized crop makes of the window, or its mirror image."""
    dataset = make(data, CROP, FLIP, repeats=repeats)
    mirrored = []
    for seed in range(6):
        samples = training_samples(dataset, seed % len(dataset), None, seed)
        assert len(samples) == repeats
        assert len({sample.windows for sample in samples}) == repeats
        for sample in samples:
            ((window,), views) = sample.windows, sample.inputs
            assert len(views) == len(sample.frames) == 2
            mirrored.append(is_mirrored(sample.frames, window, views))
    assert 0 < sum(mirrored) < len(mirrored)


def is_mirrored(frames: Any, window: Window, views: Any) -> bool:
    """Check that views are the window of frames [T, H, W, 3], or its mirror image."""
    whole = torch.from_numpy(frames).permute(0, 3, 1, 2)
    crop = tvf.resized_crop(whole, *window, [SIZE, SIZE], interpolation=3, antialias=True)
    expected = crop.permute(0, 2, 3, 1).numpy().astype(int)
    far = [np.abs(views - each).mean() for each in (expected, expected[:, :, ::-1])]
    assert min(far) < 2  # of 255; a crop of a JPEG is decoded on its own
    assert max(far) > 8
    return bool(far[1] < far[0])


def test_siammae_reads_at_random_gaps_and_sees_the_past_whole(data: Path) -> None:
    """Frames, crops and masks are those of the sample, not of the smallest gap."""
    source = dict(type='FrameFolders', data_root=str(data))
    pipeline: list[Any] = [CROP, FLIP, dict(type='PackFrames')]
    dataset = RandomGapPairDataset(source, pipeline, gap=1, max_gap=FRAMES - 1)
    mask = RandomPatchMasking(16, 0.75)
    seconds = set()
    for seed in range(8):
        (sample,) = training_samples(dataset, 0, mask, seed, SiamMAE.masked_frame)
        torch.manual_seed(seed)
        item = dataset[0]
        assert list(sample.indices) == item['data_samples'].get('frame_indices')
        assert (sample.inputs == item['inputs'].permute(0, 2, 3, 1).numpy()).all()
        read = dataset.source.read(dataset.videos[0], sample.indices)
        assert (sample.frames == read).all()
        (window,) = sample.windows
        is_mirrored(sample.frames, window, sample.inputs)
        seconds.add(sample.indices[1])
        assert sample.visible is not None
        assert sample.visible[0].all()
        assert sample.visible[1].mean() == 0.25
    assert len(seconds) > 1


def test_both_crops_of_cropmae_are_shown(data: Path) -> None:
    """The local window lies where its pixels come from; the global view is whole."""
    views = dict(type='FramesGlobalLocalCrops', size=SIZE)
    dataset = make(data, views, FLIP, num_frames=1)
    for seed in range(4):
        (sample,) = training_samples(
            dataset, 1, RandomPatchMasking(16, 0.75), seed, CropMAE.masked_frame
        )
        assert (len(sample.frames), len(sample.inputs)) == (1, 2)
        outer, inner = sample.windows
        for side in (0, 1):
            assert outer[side] <= inner[side]
            ends = [each[side] + each[side + 2] for each in (inner, outer)]
            assert ends[0] <= ends[1] + 1  # it is rounded
        flips = [
            is_mirrored(sample.frames, window, sample.inputs[k : k + 1])
            for k, window in enumerate(sample.windows)
        ]
        assert flips[0] == flips[1]
        assert sample.visible is not None
        assert sample.visible.mean((1, 2)).tolist() == [1, 0.25]
        assert sample_sheet([sample]).ndim == 3


def test_masks_and_random_state(data: Path) -> None:
    """As many patches as the ratio says, the same in both frames; nothing is used up."""
    dataset = make(data, CROP)
    state = torch.get_rng_state()
    (sample,) = training_samples(dataset, 0, RandomPatchMasking(16, 0.75), 3)
    assert torch.equal(torch.get_rng_state(), state)
    assert sample.visible is not None
    assert sample.visible.shape == (2, SIZE, SIZE)
    assert sample.visible[0].reshape(4, 16, 4, 16).all((1, 3)).sum() == 4
    assert (sample.visible[0] == sample.visible[1]).all()
    (again,) = training_samples(dataset, 0, RandomPatchMasking(16, 0.75), 3)
    assert (again.inputs == sample.inputs).all()
    assert again.visible is not None
    assert np.array_equal(again.visible, sample.visible)
    assert (sample.video, sample.indices) == ('a', (0, 1))


def test_another_pipeline_has_no_window(data: Path) -> None:
    dataset = make(data, dict(type='FramesResizedCenterCrop', size=SIZE))
    (sample,) = training_samples(dataset, 1)
    assert sample.windows == ()
    assert sample.visible is None
    assert sample_sheet([sample]).ndim == 3


def test_sheet() -> None:
    """Every picture is in its place, the window is framed, what is hidden is grey."""
    frames = np.full((2, 200, 300, 3), 40, np.uint8)
    inputs = np.full((2, 160, 160, 3), 90, np.uint8)
    visible = np.zeros((2, 160, 160), bool)
    visible[:, :80] = True
    sample = TrainingSample('v', (3, 4), frames, ((20, 30, 100, 150),), inputs, visible)
    sheet = sample_sheet([sample])
    assert sheet.shape[0] == 2 * CAPTION + 160
    body = sheet[2 * CAPTION :].astype(int)
    wide = 240  # of the whole frames at the height of the inputs
    assert (body[150, 100] == 40).all()
    edge = body[60, : wide // 2]
    assert np.abs(edge - FRAME).sum(1).min() < 80  # a thin line, made smaller
    inside = 2 * (wide + 4) + 14
    assert (body[80, inside + 80] == 90).all()
    seen = inside + 2 * (160 + 4) + 14
    assert (body[40, seen + 80] == 90).all()
    assert (body[120, seen + 80] == 128).all()
    two = sample_sheet([sample, sample])
    assert (two[-sheet.shape[0] :] == sheet).all()
    with pytest.raises(ValueError, match='no sample'):
        sample_sheet([])


def test_tool(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = 'videomac/videomac_resnet18_8xb64-coslr-100e_ytvos.py'
    source = ['train_dataloader.dataset.source.type=FrameFolders']
    source.append(f'train_dataloader.dataset.source.data_root={data}')
    out = tmp_path / 'new' / 'x.png'
    tool.main([config, '--out', str(out), '--number', '3', '--cfg-options', *source])
    assert '4 samples of 2 videos' in capsys.readouterr().out
    assert Image.open(out).height > 3 * 224
    rivals = ['train_dataloader.dataset.max_gap=2', *source]
    siamese = 'rivals/siammae_vit-small-p16_8xb64-amp-coslr-100e_ytvos.py'
    tool.main([siamese, '--out', str(out), '--indices', '0', '--cfg-options', *rivals])
    seen = np.asarray(Image.open(out).convert('RGB')).astype(int)[-224:, -452:]
    hidden = (seen == 128).all(-1).mean(0)
    assert hidden[:224].mean() < 0.01  # the past frame
    assert hidden[228:].mean() > 0.9
    for args, message in (
        (['--indices', '99'], 'sample 99 of 4 does not exist'),
        (['--number', '0'], '--number must be at least 1'),
        (['--indices', '1', '-1'], '--indices must be at least 0, got -1'),
        (['--seed', '-1'], '--seed must be at least 0'),
        (['--videos', 'no/such.mp4'], r'no/such\.mp4'),
    ):
        with pytest.raises(SystemExit, match=f'browse_dataset.py: .*{message}'):
            tool.main([config, '--out', str(out), *args, '--cfg-options', *source])
