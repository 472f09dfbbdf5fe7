"""The pictures of docs/en/web_demo.md, made by looking at the page.

``VIDEOMAC_SCREENSHOTS=docs/en/_static`` names the folder to write to, and
``VIDEOMAC_WORK_DIRS`` that of the runs which the pictures show.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.datasets.media import sample_video
from tests.web.browser import (
    chromium,
    click_at,
    frame_at,
    own_server_only,
    save_run,
    serving,
    until,
)

pytest.importorskip('gradio')
pytest.importorskip('av')


@pytest.mark.skipif(
    not os.environ.get('VIDEOMAC_SCREENSHOTS'),
    reason='VIDEOMAC_SCREENSHOTS names the folder of pictures; unset, none are made',
)
def test_screenshots(tmp_path: Path) -> None:
    target = Path(os.environ['VIDEOMAC_SCREENSHOTS'])
    sample_video('carphone_pristine.mp4')  # the page begins with it
    runs = Path(os.environ.get('VIDEOMAC_WORK_DIRS', tmp_path / 'work_dirs'))
    if not runs.is_dir():
        save_run(runs / 'demo')
        save_run(runs / 'other', seed=1)
    with chromium() as browser, serving(runs) as server:
        tab = browser.new_page(viewport={'width': 1280, 'height': 1200})
        with own_server_only(tab, server):
            tab.goto(server.url)
            tab.locator('#about-clip', has_text='Loaded').wait_for()
            propagate(tab, target)
            reconstruct(tab, target)
            compare(tab, target)


def propagate(tab: Any, target: Path) -> None:
    tab.locator('#frames input[type=number]').fill('20')
    tab.locator('#how').get_by_text('Click').click()
    frame = tab.locator('#click-frame img')
    frame.wait_for()
    before = frame.get_attribute('src')
    click_at(frame, 0.5, 0.43)
    until(tab, lambda: frame.get_attribute('src') != before, 'the click shows')
    tab.locator('#run').click()
    tab.locator('#outcome', has_text='followed').wait_for()
    frame_at(tab.locator('#overlay video'), 1.2)
    shot(tab, target / 'web_propagate.png')


def reconstruct(tab: Any, target: Path) -> None:
    tab.get_by_role('tab', name='Reconstruct').click()
    tab.locator('#masked img').wait_for()
    shot(tab, target / 'web_reconstruct.png')


def compare(tab: Any, target: Path) -> None:
    tab.get_by_role('tab', name='Compare').click()
    tab.locator('#both').click()
    tab.locator('#agreement', has_text='The two agree in').wait_for()
    frame_at(tab.locator('#compared video'), 1.2)
    shot(tab, target / 'web_compare.png')


def shot(tab: Any, path: Path) -> None:
    """Take a picture of what no longer moves, in 256 colours: nobody sees it."""
    last: list[bytes] = []

    def still() -> bool:
        last.append(tab.screenshot())
        first, second = (np.asarray(Image.open(io.BytesIO(each))) for each in last[-2:])
        return bool((first == second).all())

    last.append(tab.screenshot())
    until(tab, still, f'{path.name} is still')
    with Image.open(io.BytesIO(last[-1])) as picture:
        picture.convert('RGB').quantize(256).save(path, optimize=True)
    assert path.stat().st_size < 300_000
