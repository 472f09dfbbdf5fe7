"""A page that is served, and a browser that looks at it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from numpy.typing import NDArray

from videomac.apis import get_model
from videomac.utils import find_config
from videomac.visualization.clips import ClipWriter

__all__ = ['chromium', 'moving_square', 'save_run', 'write_clip']

BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')
ARGS = (
    *('--no-sandbox', '--disable-gpu', '--disable-background-networking'),
    *('--no-first-run', '--disable-component-update', '--disable-sync'),
)


@contextmanager
def chromium() -> Iterator[Any]:
    """Start the system's Chromium, or skip."""
    playwright = pytest.importorskip('playwright.sync_api')
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(f'there is none of the browsers {", ".join(BROWSERS)}')
    with playwright.sync_playwright() as running:
        try:
            browser = running.chromium.launch(executable_path=path, args=list(ARGS))
        except playwright.Error as error:
            pytest.skip(f'{path} does not start: {str(error).splitlines()[0]}')
        yield browser
        browser.close()


def moving_square(length: int = 8) -> NDArray[np.uint8]:
    """A red square that moves right over blue stripes, uint8 [T, 96, 128, 3]."""
    frames = np.zeros((length, 96, 128, 3), np.uint8)
    frames[..., 2] = 60 + 90 * (np.arange(96)[:, None] // 8 % 2)
    for i in range(length):
        frames[i, 32:64, 16 + 4 * i : 48 + 4 * i] = (220, 40, 30)
    return frames


def write_clip(stem: Path, frames: NDArray[np.uint8]) -> Path:
    """Write frames as MP4."""
    pytest.importorskip('av')
    writer = ClipWriter(stem, len(frames))
    for frame in frames:
        writer.add(frame)
    return writer.close()


def save_run(folder: Path, seed: int = 0) -> Path:
    """Write a checkpoint as a run of the demo leaves it, with random weights."""
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        model = get_model('videomac/demo')
    folder.mkdir(parents=True)
    text = Config.fromfile(find_config('videomac/demo.py')).pretty_text
    path = folder / 'iter_1.pth'
    torch.save({'state_dict': model.state_dict(), 'meta': {'cfg': text}}, path)
    return path
