"""The benchmark of loading runs, takes the same crops on both sides, watches memory."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.datasets.decoding.pictures import jpeg, smooth
from tests.datasets.media import sample_video

SCRIPT = Path(__file__).resolve().parents[2] / 'benchmarks' / 'dataloader.py'


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script without the folder of real data."""
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope='module')
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of three frames of 640x480."""
    root: Path = tmp_path_factory.mktemp('tree')
    (root / 'v').mkdir()
    for i in range(3):
        (root / 'v' / f'{i}.jpg').write_bytes(jpeg(smooth(480, 640, i)))
    return root


def test_both_sides_load_the_same_pictures(tree: Path) -> None:
    done = run('--frames', str(tree), '--pairs', '6', '--rounds', '1')
    assert done.returncode == 0, done.stderr
    rows = re.findall(r'\| videomac, (\w+) \|.*\| ([\d.]+)/255 \|$', done.stdout, re.M)
    assert 'opencv' in dict(rows)
    # Crops at other places would differ by tens.
    assert all(float(worst) < 4 for _, worst in rows)
    assert '| plain: Pillow and torchvision |' in done.stdout


def test_repeats(tree: Path) -> None:
    done = run(
        '--what', 'repeats', '--frames', str(tree), '--pairs', '4', '--rounds', '1'
    )
    assert done.returncode == 0, done.stderr
    assert re.findall(r'repeats=(\d): \d+ pairs/s', done.stdout) == ['1', '2', '4']


def test_memory_is_flat(tree: Path) -> None:
    done = run('--what', 'memory', '--frames', str(tree), '--samples', '300')
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r'\d+', done.stdout.split('MiB:')[1])) == 10


@pytest.mark.slow
def test_memory_is_flat_over_20000_samples(tree: Path) -> None:
    done = run('--what', 'memory', '--frames', str(tree), '--samples', '20000')
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_videos() -> None:
    sample_video('bikes.mp4')
    done = run('--what', 'videos', '--rounds', '1', '--data', 'nowhere')
    assert done.returncode == 0, done.stderr
    assert '| bikes.mp4 |' in done.stdout
