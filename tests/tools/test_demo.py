"""The demo, with a few iterations on small frames."""

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image

from tests.datasets.media import sample_video
from tests.tools.test_train_cli import load_tool
from videomac.engine.schedules import schedules
from videomac.utils import tools_root

ITERATIONS = 3
TINY = [
    f'train_cfg.max_iters={ITERATIONS}',
    'default_hooks.logger.interval=1',
    'train_dataloader.batch_size=2',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'train_dataloader.dataset.pipeline.0.size=64',
    'model.encoder.arch.channels=[8,16]',
    'model.decoder.dim=16',
]


@pytest.fixture(scope='module')
def demo() -> ModuleType:
    """The tool as a module."""
    return load_tool(tools_root() / 'demo.py')


@pytest.fixture
def clip() -> str:
    """A short clip, or skip."""
    pytest.importorskip('decord')
    return str(sample_video('carphone_pristine.mp4'))


@pytest.fixture
def run(
    demo: ModuleType, clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Any:
    """Run the demo in a folder; returns its status, its output and its errors."""

    def call(*args: str) -> tuple[int, str, str]:
        work = ['--work-dir', str(tmp_path / 'demo'), '--videos', clip]
        status = demo.main([*work, '--cfg-options', *TINY, *args])
        return status, *capsys.readouterr()

    return call


def test_makes_everything_it_names(
    run: Any, demo: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checkpoint, scalars, events, curve and pictures are there and can be read."""
    monkeypatch.setattr(demo, 'MIN_FALL', -1.0)  # so few iterations learn nothing
    status, out, err = run()
    assert status == 0, err
    work = tmp_path / 'demo'
    checkpoint = torch.load(work / f'iter_{ITERATIONS}.pth', weights_only=True)
    assert any(key.startswith('encoder.') for key in checkpoint['state_dict'])
    (scalars,) = work.glob('*/vis_data/scalars.json')
    records = [json.loads(line) for line in scalars.read_text().splitlines()]
    assert [record['step'] for record in records] == [1, 2, 3]
    assert list(scalars.parent.glob('events.out.tfevents.*'))
    assert Image.open(work / 'losses.png').size[0] > 600
    # Four frames of 64 pixels and the gaps between them.
    assert Image.open(work / 'reconstruction.png').size[0] == 4 * 64 + 3 * 3
    report = work / 'report.html'
    assert out.rstrip().splitlines()[-1] == str(report)
    page = report.read_text(encoding='utf-8')
    # Before the first iteration and after the last.
    assert page.count('alt="Reconstructions of demo at iteration') == 2
    named = ('iter_3.pth', 'scalars.json', 'losses.png', 'reconstruction.png')
    assert all(name in out for name in (*named, 'tensorboard --logdir'))
    first, last = records[0]['loss'], records[-1]['loss']
    assert f'from {first:.3f} to {last:.3f}' in out


def test_fails_if_nothing_is_learned(run: Any) -> None:
    """Status 1 and a message, with everything drawn that may explain it."""
    status, out, err = run('optim_wrapper.optimizer.lr=0.0')
    assert status == 1
    assert 'has not learned' in err
    assert 'reconstruction.png' in out


@pytest.mark.parametrize(
    ('losses', 'falls'),
    [
        ([2.0, 2.0, 2.0, 2.0, 2.0, 2.0], False),
        ([2.0, 1.99, 1.95, 1.9, 1.88, 1.87], False),
        ([2.0, 1.9, 1.8, 1.6, 1.5, 1.4], True),
        ([2.0, 1.0], True),
        ([1.0, 1.5, 2.0], False),
        ([2.0, 1.5, float('nan')], False),
    ],
)
def test_loss_fall(demo: ModuleType, losses: list[float], falls: bool) -> None:
    """Flat, slightly falling, rising and broken curves do not pass."""
    assert demo.loss_fall(losses)[2] is falls


def test_loss_fall_averages_the_ends(demo: ModuleType) -> None:
    """Three values at each end, fewer if they would overlap."""
    first, last, _ = demo.loss_fall([3.0, 2.0, 1.0, 9.0, 1.0, 0.5, 0.0])
    assert (first, last) == (2.0, 0.5)
    assert demo.loss_fall([2.0, 9.0, 1.0])[:2] == (2.0, 1.0)
    with pytest.raises(ValueError, match='at least 2'):
        demo.loss_fall([1.0])


def test_config(demo: ModuleType) -> None:
    """The command line reaches the config, which else stays as it is."""
    cfg = demo.build_config('out', ['a.mp4'], {'train_cfg.max_iters': 77})
    assert isinstance(cfg, Config)
    assert cfg.work_dir == 'out'
    assert cfg.train_dataloader.dataset.source.paths == ['a.mp4']
    assert cfg.train_cfg.max_iters == 77
    with pytest.raises(demo.DemoError, match='interval=2'):
        demo.build_config('out', ['a.mp4'], {'train_cfg.max_iters': 5})
    with pytest.raises(demo.DemoError, match='iteration 30, but ends after iteration 9'):
        demo.build_config('out', ['a.mp4'], {'param_scheduler.1.end': 9})


def test_the_learning_rate_follows_the_number_of_iterations(demo: ModuleType) -> None:
    """It reaches zero at the end of the run, not at that of the config."""
    init_default_scope('videomac')
    cfg = demo.build_config('out', ['a.mp4'], {'train_cfg.max_iters': 1000})
    rates = schedules(cfg)['lr']
    half = (30 + 1000) // 2
    assert rates[half] == pytest.approx(max(rates) / 2)
    assert 0 < rates[-1] < 1e-5 * max(rates)


def test_missing_video(demo: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong path is named before anything is loaded."""
    pytest.importorskip('decord')
    assert demo.main(['--videos', 'no/such.mp4']) == 1
    assert 'no/such.mp4' in capsys.readouterr().err


@pytest.mark.parametrize('package', ['skvideo', 'decord'])
def test_missing_package(
    demo: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    package: str,
) -> None:
    """Absent packages are named with the command that installs them."""
    found = demo.importlib.util.find_spec
    monkeypatch.setattr(
        demo.importlib.util,
        'find_spec',
        lambda name: None if name == package else found(name),
    )
    videos = ['--videos', sys.executable] if package == 'decord' else []
    assert demo.main(videos) == 1
    assert 'pip install' in capsys.readouterr().err
