"""Pictures during training: what they show, when, and that training is untouched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from numpy.typing import NDArray
from PIL import Image

from tests.datasets.media import numbered, write_frames
from tests.engine.tiny import runner_config
from videomac.engine import ReconstructionVisHook
from videomac.visualization.reconstruction import GAP, HEADER, WIDE_GAP

SIZE = 64
ITERATIONS = 5


def textured(folder: Path, frames: int) -> Path:
    """Frames of noise, all different, wider than high."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(len(folder.name))
    for name in numbered(frames):
        pixels = rng.integers(0, 256, (SIZE, 96, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return folder


def train(work_dir: Path, data: Path, hook: dict[str, Any] | None) -> Runner:
    """Train the small model on a folder of videos; random crops use random numbers."""
    cfg = runner_config(work_dir, ITERATIONS)
    cfg['train_dataloader']['dataset'] = dict(
        type='FramePairDataset',
        source=dict(type='FrameFolders', data_root=str(data)),
        pipeline=[
            dict(type='FramesRandomResizedCrop', size=SIZE),
            dict(type='FramesRandomFlip'),
            dict(type='PackFrames'),
        ],
    )
    cfg['train_dataloader']['sampler'] = dict(type='InfiniteSampler', shuffle=True)
    backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
    cfg['visualizer'] = dict(type='Visualizer', vis_backends=backends)
    cfg['default_hooks']['logger'] = dict(type='LoggerHook', interval=1)
    if hook is not None:
        cfg['custom_hooks'].append(dict(type='ReconstructionVisHook', **hook))
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


def pictures(runner: Runner) -> dict[int, NDArray[np.uint8]]:
    """The pictures of the work dir by their iteration."""
    found = Path(runner.log_dir).glob('vis_data/vis_image/reconstruction_*.png')
    return {int(p.stem.split('_')[1]): np.asarray(Image.open(p)) for p in found}


@pytest.fixture(scope='module')
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Runner, Runner, Path]:
    """A run with pictures and one without, and their data."""
    root = tmp_path_factory.mktemp('runs')
    data = root / 'data'
    textured(data / 'a', 4)
    textured(data / 'bb', 4)
    with_hook = train(root / 'with', data, dict(interval=2, num_samples=2))
    return with_hook, train(root / 'without', data, None), data


def test_when(runs: tuple[Runner, Runner, Path]) -> None:
    """Before the first step, after each interval, and at the end, each once."""
    assert sorted(pictures(runs[0])) == [0, 2, 4, 5]
    assert not pictures(runs[1])


def test_training_is_the_same(runs: tuple[Runner, Runner, Path]) -> None:
    """All weights, to the last bit."""
    first, second = (run.model.state_dict() for run in runs[:2])
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_what_is_shown(runs: tuple[Runner, Runner, Path]) -> None:
    """The middle of fixed frames, always with the same mask, and ever new predictions."""
    runner, _, data = runs
    found = pictures(runner)
    # Of 3 + 3 samples, the middle ones of both halves: pairs (1, 2) of either video.
    tops = [HEADER, HEADER + SIZE + GAP]
    tops += [top + 2 * SIZE + GAP + WIDE_GAP for top in tops]
    files = [data / name / f'{t:05d}.png' for name in ('a', 'bb') for t in (1, 2)]
    for sheet in found.values():
        assert sheet.shape == (tops[-1] + SIZE, 4 * SIZE + 3 * GAP, 3)
        for top, file in zip(tops, files, strict=True):
            cut = np.asarray(Image.open(file))[:, 16:80]
            cells = [
                sheet[top : top + SIZE, k * (SIZE + GAP) :][:, :SIZE] for k in range(4)
            ]
            original, masked, prediction, pasted = (cell.astype(int) for cell in cells)
            assert np.abs(original - cut).max() <= 1
            visible = (masked == original).all(-1)
            assert visible.reshape(2, 32, 2, 32).all((1, 3)).sum() == 2
            assert (pasted[visible] == original[visible]).all()
            assert (pasted[~visible] == prediction[~visible]).all()
    same = [sheet[:, : 2 * SIZE + GAP] for sheet in found.values()]
    assert all((part == same[0]).all() for part in same)
    assert (found[0] != found[5]).any()


def test_writers(runs: tuple[Runner, Runner, Path]) -> None:
    """TensorBoard has the same pictures under their iterations."""
    accumulator = pytest.importorskip(
        'tensorboard.backend.event_processing.event_accumulator'
    )
    folder = str(Path(runs[0].log_dir) / 'vis_data')
    events = accumulator.EventAccumulator(folder).Reload()
    assert [image.step for image in events.Images('reconstruction')] == [0, 2, 4, 5]


def test_a_clip(tmp_path: Path) -> None:
    """Frames of a folder that is no training data; a short one costs the pictures."""
    textured(tmp_path / 'data' / 'a', 3)
    clip = textured(tmp_path / 'held_out', 2)
    settings = dict(interval=100, clip=str(clip), num_samples=1)
    found = pictures(train(tmp_path / 'run', tmp_path / 'data', settings))
    assert sorted(found) == [0, ITERATIONS]
    cut = np.asarray(Image.open(clip / '00000.png'))[:, 16:80]
    shown = found[0][HEADER : HEADER + SIZE, :SIZE].astype(int)
    assert np.abs(shown - cut).max() <= 1
    short = write_frames(tmp_path / 'short', numbered(1))
    runner = train(tmp_path / 'next', tmp_path / 'data', dict(clip=str(short)))
    assert runner.iter == ITERATIONS
    assert not pictures(runner)


def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='interval must be at least 1, got 0'):
        ReconstructionVisHook(interval=0)
    with pytest.raises(FileNotFoundError, match=r'no/such\.mp4'):
        ReconstructionVisHook(clip='no/such.mp4')
    cfg = runner_config(tmp_path, 1)
    cfg['custom_hooks'].append(dict(type='ReconstructionVisHook'))
    with pytest.raises(TypeError, match=r'no videos in a NoiseFrames.*clip='):
        Runner.from_cfg(cfg).train()
