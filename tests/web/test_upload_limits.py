"""What the page does not take: other people's files, and frames that fill the memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from tests.datasets.test_playlists import HLS
from tests.web.browser import moving_square, write_clip
from videomac.datasets.sources.stated_size import stated_size
from videomac.web import find_models, load_clip
from videomac.web.clips import MAX_PIXELS
from videomac.web.models import RANDOM

gr: Any = pytest.importorskip('gradio')


def test_a_playlist_shows_no_other_file(tmp_path: Path) -> None:
    """Nor does the message tell where the server keeps things."""
    clip = write_clip(tmp_path / 'private', moving_square())
    upload = tmp_path / 'upload.mp4'
    upload.write_text(HLS.format(clip))
    with pytest.raises(ValueError, match=r"'upload\.mp4' is no .* a playlist") as caught:
        load_clip(upload)
    assert str(tmp_path) not in str(caught.value)
    assert load_clip(clip).size == (96, 128)


def refuse(*args: Any) -> Any:
    raise AssertionError('decoded')


def test_too_many_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The header is enough to know it; nothing is decoded."""
    clip = write_clip(tmp_path / 'clip', moving_square())
    picture = tmp_path / 'clip.png'
    cv2.imwrite(str(picture), np.zeros((96, 128, 3), np.uint8))
    limits = 'videomac.web.clips.MAX_PIXELS', 'videomac.web.clips.MAX_PICTURE_PIXELS'
    for limit in limits:
        monkeypatch.setattr(limit, 96 * 128)
    assert load_clip(clip).size == load_clip(picture).size == (96, 128)
    for limit in limits:
        monkeypatch.setattr(limit, 96 * 128 - 1)
    for size in (stated_size, lambda path: None):  # the first frame tells it as well
        monkeypatch.setattr('videomac.web.clips.stated_size', size)
        for path in (clip, picture):
            with pytest.raises(ValueError, match=rf"'{path.name}' has 128 x 96 pixels"):
                load_clip(path)
    monkeypatch.undo()
    monkeypatch.setattr('videomac.web.clips.open_video', refuse)
    monkeypatch.setattr('videomac.web.clips.stated_size', lambda path: (2304, 4097))
    with pytest.raises(ValueError, match=r'more than the 9\.4 million .* of a frame'):
        load_clip(clip)
    assert MAX_PIXELS >= 3840 * 2160


def test_what_is_no_checkpoint_is_not_offered(tmp_path: Path) -> None:
    """A link to a file that a training has deleted, a folder."""
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run' / 'latest.pth').symlink_to('gone.pth')
    (tmp_path / 'other' / 'folder.pth').mkdir(parents=True)
    assert find_models(tmp_path) == {RANDOM: RANDOM}
    (tmp_path / 'run' / 'iter_1.pth').touch()
    (tmp_path / 'other' / 'folder.pth' / 'a.pth').touch()
    assert len(find_models(tmp_path)) == 3


def test_a_session_that_was_forgotten() -> None:
    """Its clip is gone, and the page says what to do."""
    from videomac.web.pages import objects, reconstruct_tab

    event = SimpleNamespace(index=(5, 5))
    handlers: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
        (objects._click, (None, None, 1, objects.GRABCUT, 12, event)),
        (reconstruct_tab._draw, (None, RANDOM, None, 0.5, 0, 32)),
        (reconstruct_tab._toggle, (None, RANDOM, 0, 0.5, 0, 32, None, None, event)),
    ]
    for handler, values in handlers:
        with pytest.raises(gr.Error, match='There is no clip yet: choose one'):
            handler(*values)


def test_numbers_that_were_cleared() -> None:
    """An empty field is frame 0; a click on no picture is told."""
    from videomac.web import Clip
    from videomac.web.pages import reconstruct_tab

    clip = Clip('square.mp4', moving_square(1))
    drawn = reconstruct_tab._draw(clip, RANDOM, None, 0.5, None, None)
    again = reconstruct_tab._draw(clip, RANDOM, 0, 0.5, 0, None)
    np.testing.assert_array_equal(drawn[-1], again[-1])
    event = SimpleNamespace(index=(5, 5))
    with pytest.raises(gr.Error, match='Nothing is drawn yet'):
        reconstruct_tab._toggle(clip, RANDOM, 0, 0.5, 0, None, None, None, event)
    toggled = reconstruct_tab._toggle(
        clip, RANDOM, None, 0.5, 0, None, drawn[-1], drawn[0], event
    )
    assert (toggled[-1] != drawn[-1]).sum() == 1
