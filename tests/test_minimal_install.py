"""An installation without any optional package trains, and says what features lack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('packaging')
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope='module')
def minimal(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What happens where only requirements/runtime.txt and lite.txt are installed."""
    folder = tmp_path_factory.mktemp('minimal')
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', ROOT / 'tests' / 'minimal_install.py', folder],
        cwd=folder,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_optional_packages_were_absent(minimal: dict[str, Any]) -> None:
    """Else the other tests here would prove nothing: pytest itself is one of them."""
    assert 'pytest' in minimal['hidden']
    for kept in ('torch', 'mmengine', 'mmpretrain', 'decord', 'numpy', 'videomac'):
        assert kept not in minimal['hidden']


def test_training_works(minimal: dict[str, Any]) -> None:
    """A step of the optimiser lowers the loss of the same frames and masks."""
    first, second = minimal['losses']
    assert 1.5 < first < 2.5
    assert second < first


@pytest.mark.parametrize(
    ('feature', 'remedy'),
    [
        ('safetensors', 'pip install safetensors'),
        ('lmdb', 'pip install lmdb'),
        ('scipy', 'pip install "scipy>=1.11"'),
        ('onnx', 'pip install onnx onnxscript onnxruntime'),
        ('av', 'pip install av'),
        ('gradio', 'pip install -r requirements/web.txt'),
        ('MinkowskiEngine', 'make minkowski'),
        ('timm', 'pip install timm'),
        ('scikit-video', 'pip install scikit-video'),
    ],
)
def test_features_name_what_to_install(
    feature: str, remedy: str, minimal: dict[str, Any]
) -> None:
    """The error of a feature says how to get what it needs."""
    assert remedy in minimal['said'][feature]
