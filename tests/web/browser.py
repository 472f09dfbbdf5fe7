"""A page that is served, and a browser that looks at it."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from numpy.typing import NDArray
from PIL import Image

from videomac.apis import get_model
from videomac.utils import find_config
from videomac.visualization.clips import ClipWriter
from videomac.web import find_models

__all__ = [
    'WAIT',
    'chromium',
    'click_at',
    'colour_at',
    'frame_at',
    'moving_square',
    'own_server_only',
    'save_run',
    'serving',
    'until',
    'upload',
    'write_clip',
]

WAIT = 120.0  # seconds; much work is waited for, on machines that have more to do
BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')
ARGS = (
    *('--no-sandbox', '--disable-gpu', '--disable-background-networking'),
    *('--no-first-run', '--disable-component-update', '--disable-sync'),
)
PIXELS = """(video) => {
  const canvas = document.createElement('canvas');
  canvas.width = 64; canvas.height = 48;
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0, 64, 48);
  return Array.from(context.getImageData(0, 0, 64, 48).data);
}"""
SEEK = """(video, time) => new Promise((done) => {
  const seek = () => {
    video.pause();
    video.addEventListener('seeked', () => done(video.videoWidth), {once: true});
    video.currentTime = time;
  };
  if (video.readyState >= 2) seek();
  else video.addEventListener('loadeddata', seek, {once: true});
})"""


@contextmanager
def chromium() -> Iterator[Any]:
    """Start the system's Chromium, or skip."""
    playwright = pytest.importorskip('playwright.sync_api')
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(f'there is none of the browsers {", ".join(BROWSERS)}')
    with playwright.sync_playwright() as running:
        try:
            browser = running.chromium.launch(
                executable_path=path, args=list(ARGS), timeout=WAIT * 1000
            )
        except playwright.Error as error:
            pytest.skip(f'{path} does not start: {str(error).splitlines()[0]}')
        yield browser
        browser.close()


@contextmanager
def serving(runs: Path) -> Iterator[Any]:
    """Serve the page with the checkpoints of a folder of runs; nothing stays of it."""
    from videomac.web.pages import serve

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('GRADIO_TEMP_DIR', '')  # restored afterwards
        running = serve(find_models(runs), block=False)
        try:
            yield running
        finally:
            running.close()
        assert not Path(running.folder.name).exists()


@contextmanager
def own_server_only(tab: Any, server: Any) -> Iterator[Any]:
    """Check that a tab asks no server but ours, and close it."""
    strange: list[str] = []

    def note(request: Any) -> None:
        if not request.url.startswith((server.url, 'data:', 'blob:')):
            strange.append(request.url)

    tab.on('request', note)
    tab.set_default_timeout(WAIT * 1000)
    yield tab
    tab.close()
    assert not strange


def until(tab: Any, condition: Callable[[], bool], what: str) -> None:
    """Look again and again while the browser goes on, until something holds."""
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline, f'{what}: not within {WAIT:.0f} s'
        tab.wait_for_timeout(300)  # looking costs time too


def upload(tab: Any, path: Path) -> None:
    """Choose a file as people do."""
    with tab.expect_file_chooser() as waiting:
        tab.locator('#upload').click()
    waiting.value.set_files(str(path))


def click_at(picture: Any, x: float, y: float) -> None:
    """Click at a place that is given in shares of width and height."""
    picture.wait_for()
    box = picture.bounding_box()
    picture.click(position={'x': x * box['width'], 'y': y * box['height']})


def colour_at(tab: Any, x: float, y: float) -> NDArray[np.int64]:
    """What a pixel of the tab looks like, RGB in 0..255."""
    around = dict(x=x - 2, y=y - 2, width=4, height=4)
    with Image.open(io.BytesIO(tab.screenshot(clip=around))) as picture:
        pixels = np.asarray(picture.convert('RGB'), np.int64)
    return pixels[len(pixels) // 2, len(pixels[0]) // 2]


def frame_at(video: Any, moment: float) -> NDArray[np.int64]:
    """Show a moment of a video, in seconds; return what the browser draws."""
    video.wait_for()
    assert video.evaluate(SEEK, moment) > 0
    return np.array(video.evaluate(PIXELS))


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
