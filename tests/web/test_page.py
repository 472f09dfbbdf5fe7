"""The page from end to end, in Chromium without a screen.

The page tells what it has done by what it shows: tests wait for that, never for a while.
"""

from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from tests.web.browser import (
    WAIT,
    chromium,
    click_at,
    colour_at,
    frame_at,
    moving_square,
    own_server_only,
    save_run,
    serving,
    until,
    upload,
    write_clip,
)
from videomac.web import Workplace, propagation

pytest.importorskip('gradio')
pytest.importorskip('av')

# Red and green of the ground of both clips, and of object 1 in DAVIS's palette.
FIRST, MINE, STROKE = (0, 0), (255, 255), (128, 0)


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('web')
    save_run(path / 'work_dirs' / 'demo')
    save_run(path / 'work_dirs' / 'other', seed=1)
    write_clip(path / 'square', moving_square())
    write_clip(path / 'mine', 255 - moving_square(6))
    (path / 'broken.mp4').write_bytes(b'this is no video' * 100)
    return path


@pytest.fixture(scope='module')
def context(folder: Path) -> Iterator[Any]:
    """Tabs share what the browser has read; half the pixels are half the work."""
    with chromium() as browser:
        viewport = dict(width=1280, height=1040)
        yield browser.new_context(viewport=viewport, device_scale_factor=0.5)


@pytest.fixture(scope='module')
def server(context: Any, folder: Path) -> Iterator[Any]:
    """A page with one clip; the browser comes first, for it may be missing."""
    first = {'square.mp4': folder / 'square.mp4'}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('videomac.web.pages.clip_bar.bundled_clips', lambda: first)
        with serving(folder / 'work_dirs') as running:
            yield running


@pytest.fixture
def page(context: Any, server: Any) -> Iterator[Any]:
    """The page with its first clip."""
    with own_server_only(context.new_page(), server) as tab:
        tab.goto(server.url)
        tab.locator('#about-clip', has_text='Loaded square.mp4: 8 frames').wait_for()
        yield tab


@pytest.fixture(scope='module')
def painted(context: Any, server: Any, folder: Path) -> Iterator[Any]:
    """The page with an upload, on whose first frame a stroke is painted."""
    with own_server_only(context.new_page(), server) as tab:
        tab.goto(server.url)
        tab.locator('#about-clip', has_text='Loaded square.mp4: 8 frames').wait_for()
        place = canvas_middle(tab)
        until(tab, lambda: shows(tab, place, FIRST), 'the first clip is drawn')
        upload(tab, folder / 'mine.mp4')
        tab.locator('#about-clip', has_text='mine.mp4: 6 frames of 128 x 96').wait_for()
        paint(tab)
        yield tab


def canvas_middle(tab: Any) -> tuple[float, float]:
    canvas = tab.locator('#editor canvas').first
    canvas.wait_for()
    box = canvas.bounding_box()
    return box['x'] + box['width'] / 2, box['y'] + box['height'] / 2


def shows(tab: Any, place: tuple[float, float], colour: tuple[int, int]) -> bool:
    """Whether red and green, in which the clip has no stripes, are about these."""
    seen = colour_at(tab, *place)[:2]
    return bool(np.abs(seen - colour).max() < 40)


def paint(tab: Any) -> None:
    """Paint a stroke over the middle of the frame, which is there when it is seen."""
    x, y = canvas_middle(tab)
    until(tab, lambda: shows(tab, (x - 20, y), MINE), 'the upload is drawn')
    tab.mouse.move(x - 60, y)
    tab.mouse.down()
    tab.mouse.move(x, y, steps=4)
    tab.mouse.move(x + 20, y, steps=4)
    tab.mouse.up()
    until(tab, lambda: shows(tab, (x - 20, y), STROKE), 'the stroke is drawn')


def downloaded_masks(tab: Any) -> list[NDArray[np.uint8]]:
    """Download the masks and read them."""
    with tab.expect_download() as waiting:
        tab.locator('#masks').click()
    with zipfile.ZipFile(waiting.value.path()) as archive:
        pictures = [
            Image.open(io.BytesIO(archive.read(name)))
            for name in sorted(archive.namelist())
        ]
    assert {picture.mode for picture in pictures} == {'P'}
    return [np.asarray(picture) for picture in pictures]


def files_of(server: Any, name: str) -> list[Path]:
    return list(Path(server.folder.name).rglob(name))


def test_paint_run_watch_download(painted: Any, server: Any) -> None:
    """A painted stroke becomes object 1 of the masks, and the clip plays."""
    assert not files_of(server, 'mine.mp4')  # deleted as soon as it was read
    painted.locator('#run').click()
    painted.locator('#outcome', has_text='1 object followed through 6 frames').wait_for()
    video = painted.locator('#overlay video')
    first, last = frame_at(video, 0.04), frame_at(video, 0.45)
    assert np.abs(first - last).max() > 50
    masks = downloaded_masks(painted)
    assert [mask.shape for mask in masks] == [(96, 128)] * 6
    assert set(np.unique(masks[0])) == {0, 1}
    rows, cols = np.nonzero(masks[0])
    assert abs(rows.mean() - 48) < 3  # where the stroke was
    assert 20 < cols.min() < cols.max() < 90


def test_stop(painted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop ends a run after the frame at hand and shows what is done."""
    started, stopped = threading.Event(), threading.Event()

    class Waits(nn.Module):
        """Goes on with the third frame only when it was told to."""

        frames = 0

        def forward(self, images: Tensor) -> Tensor:
            self.frames += 1
            if self.frames == 3:
                started.set()
                assert stopped.wait(WAIT)
            return nn.functional.avg_pool2d(images, 8)

    stop = Workplace.stop

    def stop_and_tell(self: Workplace, session: str, part: str) -> None:
        stop(self, session, part)
        stopped.set()

    monkeypatch.setattr(Workplace, 'stop', stop_and_tell)
    monkeypatch.setattr(propagation, 'load_network', lambda source: Waits())
    monkeypatch.setattr(propagation, 'STRIDE', None)
    run = painted.locator('#run')
    run.click()
    painted.locator('#overlay', has_text='Propagating').wait_for()
    until(painted, started.is_set, 'the third frame')
    with painted.expect_response('**/run/predict*'):
        run.click()  # in impatience: the run must heed Stop nevertheless
    painted.locator('#stop').click()
    painted.locator('#outcome', has_text='Stopped after 3 of 6 frames').wait_for()
    assert len(downloaded_masks(painted)) == 3


def test_compare(painted: Any) -> None:
    """Two checkpoints give one clip of both, and pictures of both."""
    painted.get_by_role('tab', name='Compare').click()
    painted.locator('#both').click()
    painted.locator('#agreement', has_text='The two agree in').wait_for()
    frame_at(painted.locator('#compared video'), 0.3)
    painted.locator('#fill-both').click()
    painted.locator('#agreement', has_text='patches are hidden').wait_for()


def test_click_marks_the_square(page: Any, server: Any) -> None:
    """A click takes the object of one colour; files go when the page is left."""
    page.locator('#how').get_by_text('Click').click()
    page.locator('#clicking').get_by_text('2 green').click()
    frame = page.locator('#click-frame img')
    frame.wait_for()
    before = frame.get_attribute('src')
    click_at(frame, 32 / 128, 0.5)
    until(page, lambda: frame.get_attribute('src') != before, 'the click shows')
    page.locator('#run').click()
    page.locator('#outcome', has_text='1 object followed').wait_for()
    first = downloaded_masks(page)[0]
    truth = np.zeros((96, 128), bool)
    truth[32:64, 16:48] = True
    assert set(np.unique(first)) == {0, 2}
    both, either = ((first > 0) & truth).sum(), ((first > 0) | truth).sum()
    assert both / either > 0.9
    assert files_of(server, 'square_*')
    page.goto('about:blank')
    until(page, lambda: not files_of(server, 'square_*'), 'the files are gone')


def test_errors_are_in_the_page(page: Any, server: Any, folder: Path) -> None:
    """A broken upload, and nothing marked, are said in plain words."""
    upload(page, folder / 'broken.mp4')
    toast = page.locator('.toast-wrap', has_text='broken.mp4')
    toast.wait_for()
    words = toast.inner_text()
    assert 'is no video that can be read' in words
    assert 'Traceback' not in words
    assert server.folder.name not in words
    assert not files_of(server, 'broken.mp4')
    page.locator('#run').click()
    page.locator('.toast-wrap', has_text='Nothing is marked').wait_for()


def test_reconstruct(page: Any) -> None:
    """Ratio, patch size and clicks change which patches are hidden."""
    page.get_by_role('tab', name='Reconstruct').click()
    # 128 pixels of the short side, 160 of the long one, in patches of 16.
    page.locator('#hidden', has_text='60 of 80 patches').wait_for()
    ratio = page.locator('#ratio input[type=number]')
    ratio.fill('0.5')
    ratio.press('Enter')
    page.locator('#hidden', has_text='40 of 80 patches').wait_for()
    masked = page.locator('#masked img')
    click_at(masked, 0.5 / 10, 0.5 / 8)
    page.wait_for_function(
        """() => /(39|41) of 80/.test(document.querySelector('#hidden').innerText)"""
    )
    click_at(masked, 0.5 / 10, 0.5 / 8)
    page.locator('#hidden', has_text='40 of 80 patches').wait_for()
    page.locator('#patch input').click()
    page.get_by_role('option', name='32').click()
    page.locator('#hidden', has_text='10 of 20 patches').wait_for()
