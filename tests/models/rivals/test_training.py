"""Every rival trains by the real Runner, and its checkpoint is evaluated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from tests.datasets.trees import make_davis, moving_squares
from tests.real_data import real_data
from tests.tools.test_train_cli import load_tool
from videomac.checkpoints.weights import read_state
from videomac.utils import configs_root, tools_root

test = load_tool(tools_root() / 'test.py')
ARCH = dict(
    _delete_=True, embed_dims=32, num_layers=2, num_heads=2, feedforward_channels=64
)
VIT = dict(
    encoder=dict(arch=ARCH, img_size=32, patch_size=8),
    masking=dict(patch_size=8, ratio=0.9),
    decoder=dict(dim=16, depth=1, num_heads=2),
)
#: What makes each config small: the model, and the side of its frames in pixels.
SMALL: dict[str, tuple[dict[str, Any], int]] = {
    'siammae': (VIT, 32),
    'cropmae': (VIT, 32),
    'rcmae': (VIT, 32),
    'mae': (
        dict(
            backbone=dict(arch=ARCH, img_size=32, patch_size=8),
            neck=dict(
                num_patches=16,
                patch_size=8,
                embed_dim=32,
                decoder_embed_dim=16,
                decoder_depth=1,
                decoder_num_heads=2,
            ),
            head=dict(patch_size=8),
        ),
        32,
    ),
    'spark': (
        dict(
            input_size=64,
            enc_dec_norm_dim=512,
            backbone=dict(depth=18),
            neck=dict(feature_dim=32),
        ),
        64,
    ),
    'fcmae': (
        dict(
            encoder=dict(
                arch=dict(_delete_=True, depths=[1, 1, 1, 1], channels=[8, 8, 16, 32])
            ),
            decoder=dict(dim=16),
        ),
        64,
    ),
}
#: The network of the evaluation config, made as small.
NETWORK: dict[str, dict[str, Any]] = {
    'spark': dict(depth=18),
    'fcmae': dict(arch=dict(_delete_=True, depths=[1, 1, 1, 1], channels=[8, 8, 16, 32])),
}
VIT_NETWORK = dict(arch=ARCH, img_size=32, patch_size=8)


def child(path: Path, base: Path, **changes: Any) -> Path:
    """Write a config that inherits a shipped one."""
    lines = [f'_base_ = [{str(base)!r}]']
    lines += [f'{name} = {value!r}' for name, value in changes.items()]
    path.write_text('\n'.join(lines) + '\n')
    return path


def pipeline(cfg: Any, size: int) -> list[dict[str, Any]]:
    """The config's own transforms, with smaller frames."""
    transforms = [each.to_dict() for each in cfg.train_dataloader.dataset.pipeline]
    transforms[0]['size'] = size
    return transforms


def train(method: str, folder: Path, source: dict[str, Any], steps: int) -> Runner:
    """Train a small model by a shipped config."""
    (base,) = (configs_root() / 'rivals').glob(f'{method}_*.py')
    model, size = SMALL[method]
    dataset = dict(
        source=dict(_delete_=True, **source),
        pipeline=pipeline(Config.fromfile(base), size),
    )
    path = child(
        folder / f'{method}.py',
        base,
        model=model,
        train_dataloader=dict(
            batch_size=4, num_workers=0, persistent_workers=False, dataset=dataset
        ),
        train_cfg=dict(_delete_=True, type='IterBasedTrainLoop', max_iters=steps),
        param_scheduler=[],
        # Mixed precision needs a GPU; tools/train.py would change it.
        optim_wrapper=dict(
            type='BFloat16OptimWrapper' if method != 'spark' else 'OptimWrapper',
            optimizer=dict(lr=2e-3),
        ),
        default_hooks=dict(
            checkpoint=dict(by_epoch=False, interval=steps), logger=dict(interval=1)
        ),
        log_processor=dict(window_size=1, by_epoch=False),
        work_dir=str(folder / 'run'),
        visualizer=dict(vis_backends=[dict(type='LocalVisBackend')]),
        randomness=dict(seed=0),
        log_level='ERROR',
    )
    cfg = Config.fromfile(path)
    cfg.optim_wrapper.pop('loss_scale', None)
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


def losses(runner: Runner) -> list[float]:
    """The loss of every iteration."""
    (log,) = Path(runner.work_dir).glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [line['loss'] for line in lines if 'loss' in line]


def evaluate(method: str, folder: Path, dataset: dict[str, Any]) -> dict[str, float]:
    """Evaluate the checkpoint of the run by tools/test.py and a shipped config."""
    (base,) = (configs_root() / 'propagation' / 'davis2017').glob(f'{method}_*.py')
    stride = 8 if method in NETWORK else 16
    network = NETWORK.get(method, VIT_NETWORK)
    path = child(
        folder / f'{method}_davis.py',
        base,
        # Patches of 8 pixels are smaller than those of the config.
        model=dict(backbone=dict(network=network, output_stride=min(stride, 8))),
        test_dataloader=dict(dataset=dataset),
    )
    (checkpoint,) = (folder / 'run').glob('iter_*.pth')
    work_dir = folder / 'scores'
    words = [str(path), str(checkpoint), '--work-dir', str(work_dir)]
    results: dict[str, float] = test.main(words)
    return results


@pytest.fixture(autouse=True)
def _rank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('LOCAL_RANK', '0')


@pytest.mark.parametrize('method', SMALL)
def test_drawn_frames(method: str, tmp_path: Path) -> None:
    """A few steps; then the encoder, and it alone, is evaluated."""
    videos = {name: moving_squares(4, (48, 64)) for name in ('ant', 'bee')}
    root = make_davis(tmp_path / 'DAVIS', videos)
    source = dict(type='FrameFolders', data_root=str(root / 'JPEGImages' / '480p'))
    runner = train(method, tmp_path, source, steps=3)
    found = losses(runner)
    assert len(found) == 3
    if method == 'spark':
        norms = [
            m for m in runner.model.backbone.modules() if 'BatchNorm' in str(type(m))
        ]
        assert norms
        assert {type(norm).__name__ for norm in norms} == {'SparseBatchNorm2d'}
    assert all(torch.tensor(found).isfinite())
    results = evaluate(method, tmp_path, dict(data_root=str(root), size=(64, 64)))
    assert 0 < results['DAVIS/J&F-Mean'] <= 1
    # What was evaluated is what was trained, not the random weights of a seed.
    (checkpoint,) = (tmp_path / 'run').glob('iter_*.pth')
    state = read_state(str(checkpoint))
    prefix = 'backbone.' if method in ('mae', 'spark') else 'encoder.'
    trained = {k: v for k, v in runner.model.state_dict().items() if k.startswith(prefix)}
    assert trained
    assert all(torch.equal(state[name], value) for name, value in trained.items())


@pytest.mark.slow
@pytest.mark.parametrize('method', SMALL)
def test_real_frames(method: str, tmp_path: Path) -> None:
    """The loss falls on real videos, and a real clip is evaluated."""
    root = real_data('ytvos', 'train')
    davis = real_data('davis2017')
    source = dict(type='YouTubeVOS', data_root=str(root))
    if method == 'fcmae':
        # The slowest, and its batches differ: against 1.0, the cost of patches' means.
        found = losses(train(method, tmp_path, source, steps=120))
        assert sum(found[60:]) / 60 < 0.98
    else:
        found = losses(train(method, tmp_path, source, steps=40))
        assert sum(found[-10:]) < 0.95 * sum(found[:10])
    dataset = dict(data_root=str(davis), size=96, multiple=32, videos=['car-shadow'])
    results = evaluate(method, tmp_path, dataset)
    assert 0 < results['DAVIS/J&F-Mean'] < 1
