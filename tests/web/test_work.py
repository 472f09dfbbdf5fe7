"""The work behind the page, without a page."""

from __future__ import annotations

import os
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.web.browser import moving_square, save_run, write_clip
from videomac.apis import Propagator
from videomac.datasets.label_maps import object_palette, read_label_map
from videomac.web import (
    Clip,
    Settings,
    Workplace,
    add_disc,
    add_grabcut,
    compare_propagation,
    find_models,
    load_clip,
    painted_ids,
    propagate,
    propagation,
    reconstruct_frame,
    toggle_patch,
)
from videomac.web.clips import MAX_FRAMES, MAX_SIDE
from videomac.web.comparison import CAPTION, GAP, overlap, side_by_side
from videomac.web.marks import COLOURS
from videomac.web.models import RANDOM, hint, load_network
from videomac.web.reconstruction import patch_sizes


class Pooled(nn.Module):
    """Colours of cells of 8 pixels."""

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(images, 8)


def square_ids() -> Any:
    ids = np.zeros((96, 128), np.uint8)
    ids[32:64, 16:48] = 1
    return ids


@pytest.fixture
def clip() -> Clip:
    return Clip('square.mp4', moving_square())


@pytest.fixture
def pooled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(propagation, 'load_network', lambda source: Pooled())


def test_large_clips_are_cut_and_made_smaller(tmp_path: Path) -> None:
    """The limits hold, and the text says so; the shape of the picture stays."""
    frames = np.zeros((MAX_FRAMES + 3, 72, 1280, 3), np.uint8)
    clip = load_clip(write_clip(tmp_path / 'long', frames))
    assert (len(clip), clip.size) == (MAX_FRAMES, (36, MAX_SIDE))
    assert f'The file has {MAX_FRAMES + 3} frames' in str(clip)
    assert 'Made smaller from 1280 x 72 pixels' in str(clip)
    assert len(clip.first(7)) == 7


def test_bad_uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages name the file, not the folder of the server, and what to do."""
    broken = tmp_path / 'broken.mp4'
    broken.write_bytes(b'no video' * 99)
    empty = tmp_path / 'empty.avi'
    empty.touch()
    text = tmp_path / 'thesis.txt'
    text.write_text('text')
    tiny = tmp_path / 'tiny.png'
    cv2.imwrite(str(tiny), np.zeros((8, 90, 3), np.uint8))
    for path in (broken, empty, text, tiny):
        with pytest.raises(ValueError, match=path.name) as caught:
            load_clip(path)
        assert str(tmp_path) not in str(caught.value)
    with pytest.raises(FileNotFoundError, match=r'gone\.mp4'):
        load_clip(tmp_path / 'gone.mp4')
    monkeypatch.setattr('videomac.web.clips.MAX_BYTES', 2**20)
    broken.write_bytes(bytes(3 * 2**20))
    with pytest.raises(ValueError, match='has 3 MB; 1 MB are the most'):
        load_clip(broken)


@given(
    ids=st.lists(st.integers(0, 6), min_size=12, max_size=12),
    scale=st.integers(1, 5),
    noise=st.integers(-20, 20),
)
def test_paint_becomes_ids(ids: list[int], scale: int, noise: int) -> None:
    """Each pixel has the id whose colour it nearly has, at whatever size."""
    truth = np.array(ids, np.uint8).reshape(3, 4)
    layer = np.zeros((3, 4, 4), np.uint8)
    colours = object_palette()[truth].astype(int) + noise
    layer[..., :3] = colours.clip(0, 255)
    layer[..., 3] = 255 * (truth > 0)
    large = layer.repeat(scale, 0).repeat(scale, 1)
    np.testing.assert_array_equal(painted_ids([large], (3, 4)), truth)


def test_upper_paint_wins_and_faint_paint_does_not_count() -> None:
    lower = np.full((2, 2, 4), (128, 0, 0, 255), np.uint8)
    upper = np.zeros((2, 2, 4), np.uint8)
    upper[0] = (0, 128, 0, 255)
    upper[1] = (0, 128, 0, 60)
    assert painted_ids([lower, upper], (2, 2)).tolist() == [[2, 2], [1, 1]]
    assert not painted_ids([], (2, 2)).any()
    assert COLOURS[:4] == ('#800000', '#008000', '#808000', '#000080')


@given(
    x=st.floats(-3, 25), y=st.floats(-3, 19), radius=st.floats(1, 9), i=st.integers(0, 6)
)
def test_disc(x: float, y: float, radius: float, i: int) -> None:
    """Every pixel, one by one; the nearest pixel to the click in any case."""
    ids = np.full((16, 22), 5, np.uint8)
    marked = add_disc(ids, (x, y), radius, i)
    assert (ids == 5).all()
    near = (min(max(round(y), 0), 15), min(max(round(x), 0), 21))
    for row in range(16):
        for col in range(22):
            inside = (col - x) ** 2 + (row - y) ** 2 <= radius**2 or (row, col) == near
            assert marked[row, col] == (i if inside else 5)


def test_grabcut_finds_the_square() -> None:
    """An object of one colour is found whole; a flat picture gives the disc."""
    frame, none = moving_square(1)[0], np.zeros((96, 128), np.uint8)
    found = add_grabcut(frame, none, (32, 48), 12, 3)
    assert overlap(found, 3 * square_ids()) > 0.95
    other = add_grabcut(frame, found, (100, 80), 8, 1)
    assert (other[found == 3] == 3).mean() > 0.95  # is not taken away
    flat = np.full_like(frame, 90)
    assert add_grabcut(flat, none, (32, 48), 12, 2)[48, 32] == 2
    for object_id, radius in ((7, 5.0), (-1, 5.0), (1, 0.0)):
        with pytest.raises(ValueError, match=r'objects are numbered|radius'):
            add_grabcut(frame, none, (1, 1), radius, object_id)
    with pytest.raises(ValueError, match='discs'):
        add_grabcut(frame, none, (1, 1), 5, 0)


def test_models(tmp_path: Path) -> None:
    """The demo first, the newest of each run, random weights last."""
    runs = tmp_path / 'work_dirs'
    for name, when in (('a/old', 1), ('a/new', 2), ('demo/iter', 1)):
        path = runs / f'{name}.pth'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (when, when))
    found = find_models(runs, ['timm:resnet18'])
    shown = ['timm:resnet18', 'work_dirs/demo/iter.pth', 'work_dirs/a/new.pth', RANDOM]
    assert list(found) == shown
    assert found['work_dirs/a/new.pth'] == str(runs / 'a' / 'new.pth')
    assert not hint(found)
    assert 'make demo' in hint(find_models(tmp_path / 'nothing'))
    with pytest.raises(FileNotFoundError, match=r'missing\.pth'):
        find_models(runs, ['missing.pth'])


def test_a_run_that_goes_on_is_loaded_anew(tmp_path: Path) -> None:
    path = save_run(tmp_path / 'run')
    first = load_network(str(path))
    assert load_network(str(path)) is first
    os.utime(path, (1, 1))
    assert load_network(str(path)) is not first


def test_propagation_files(clip: Clip, pooled: None, tmp_path: Path) -> None:
    """The ZIP has what the API gives; the clip is H.264."""
    av = pytest.importorskip('av')
    seen = []
    settings = Settings(size=96, radius=4, topk=3, previous=2)
    done = propagate(
        clip, square_ids(), 'x', settings, tmp_path, lambda s: seen.append(s.done)
    )
    truth = Propagator(
        Pooled(), stride=None, size=96, multiple=32, radius=4, topk=3, previous=2
    )(clip.frames, square_ids(), progress=False)
    with zipfile.ZipFile(done.masks) as archive:
        archive.extractall(tmp_path / 'masks')
    files = sorted((tmp_path / 'masks').iterdir())
    np.testing.assert_array_equal([read_label_map(f) for f in files], truth.masks)
    assert seen == list(range(1, 9))
    with av.open(str(done.video)) as file:
        assert file.streams.video[0].codec_context.name == 'h264'
        assert sum(1 for _ in file.decode(video=0)) == 8
    assert done.text.startswith('1 object followed through 8 frames')


def test_propagation_stops(clip: Clip, pooled: None, tmp_path: Path) -> None:
    stop = threading.Event()

    def after_three(state: Any) -> None:
        if state.done == 3:
            stop.set()

    done = propagate(clip, square_ids(), 'x', Settings(), tmp_path, after_three, stop)
    assert done.text.startswith('Stopped after 3 of 8 frames')
    with zipfile.ZipFile(done.masks) as archive:
        assert len(archive.namelist()) == 3


def test_nothing_to_follow(clip: Clip, tmp_path: Path) -> None:
    empty = np.zeros((96, 128), np.uint8)
    with pytest.raises(ValueError, match='nothing is marked'):
        propagate(clip, empty, RANDOM, Settings(), tmp_path)
    with pytest.raises(ValueError, match='two frames'):
        propagate(clip.first(1), square_ids(), RANDOM, Settings(), tmp_path)
    with pytest.raises(ValueError, match='choose one'):
        propagation.check_objects(None, empty)


def test_comparison(clip: Clip, pooled: None, tmp_path: Path) -> None:
    """Equal networks agree in all; stopping before the second is said."""
    pytest.importorskip('av')
    seen = []
    path, text = compare_propagation(
        *(clip, square_ids(), ('x', 'y'), ('x', 'y'), Settings(), tmp_path),
        lambda state: seen.append(state.fraction),
    )
    assert path.suffix == '.mp4'
    assert 'agree in 100% of the marked area on average' in text
    assert seen == [i / 16 for i in range(1, 17)]
    with pytest.raises(ValueError, match='nothing to compare'):
        compare_propagation(
            *(clip, square_ids(), ('x', 'y'), ('x', 'y'), Settings(), tmp_path),
            cancel=lambda: True,
        )


def test_overlap_by_hand() -> None:
    first = np.array([[1, 1, 2, 0]], np.uint8)
    second = np.array([[1, 0, 2, 2]], np.uint8)
    assert overlap(first, second) == 0.5
    assert overlap(0 * first, 0 * first) == 1.0
    assert overlap(first, 0 * first) == 0.0


def test_side_by_side() -> None:
    left, right = np.full((40, 60, 3), 10, np.uint8), np.full((40, 60, 3), 200, np.uint8)
    both = side_by_side([left, right], ['left', 'a name that is far too long for it'])
    assert both.shape == (40 + CAPTION, 120 + GAP, 3)
    assert (both[CAPTION:, :60] == 10).all()
    assert (both[CAPTION:, 60 + GAP :] == 200).all()
    assert (both[:CAPTION, 60 : 60 + GAP] == 255).all()


def test_reconstruction(clip: Clip) -> None:
    """Pasted pictures are the original in visible patches; clicks change one patch."""
    first = reconstruct_frame(clip, 2, RANDOM, 0.75, seed=1)
    rows, cols = first.visible.shape
    assert (~first.visible).sum() == round(0.75 * rows * cols)
    height, width = first.original.shape[:2]
    shown = first.visible.repeat(height // rows, 0).repeat(width // cols, 1)
    np.testing.assert_array_equal(first.pasted[shown], first.original[shown])
    np.testing.assert_array_equal(first.pasted[~shown], first.prediction[~shown])
    assert (first.masked[~shown] == 128).all()
    again = reconstruct_frame(clip, 2, RANDOM, 0.75, seed=1)
    np.testing.assert_array_equal(first.visible, again.visible)
    given = reconstruct_frame(clip, 2, RANDOM, visible=~first.visible)
    np.testing.assert_array_equal(given.visible, ~first.visible)
    assert patch_sizes(RANDOM) == ([16, 32, 48, 64], 16)
    for index in (-1, 8):
        with pytest.raises(ValueError, match='frames 0 to 7'):
            reconstruct_frame(clip, index, RANDOM)
    with pytest.raises(ValueError, match='choose one'):
        reconstruct_frame(None, 0, RANDOM)
    with pytest.raises(ValueError, match='without a decoder'):
        reconstruct_frame(clip, 0, 'timm:resnet18')


@given(st.integers(0, 59), st.integers(0, 39))
def test_toggle(x: int, y: int) -> None:
    visible = np.ones((4, 6), bool)
    new = toggle_patch(visible, (x, y), (40, 60))
    assert [tuple(place) for place in np.argwhere(~new)] == [(y // 10, x // 10)]
    np.testing.assert_array_equal(toggle_patch(new, (x, y), (40, 60)), visible)


def test_the_last_patch_stays() -> None:
    visible = np.zeros((2, 2), bool)
    visible[0, 1] = True
    assert toggle_patch(visible, (15, 5), (20, 20)) is visible


def test_workplace(tmp_path: Path) -> None:
    """Sessions have files and events of their own; what is old or left goes."""
    place = Workplace(tmp_path / 'place')
    mine, other = place.new_folder('a/../b'), place.new_folder('other')
    assert mine.is_relative_to(tmp_path / 'place')
    with place.running('other', 'compare') as stop:
        place.stop('a/../b', 'compare')
        place.stop('other', 'propagate')
        assert not stop.is_set()
        place.leave('other')
        assert stop.is_set()
    assert mine.is_dir()
    assert not other.exists()
    os.utime(mine, (time.time() - 100,) * 2)
    place.sweep(age=50)
    assert not mine.exists()


def test_stop_reaches_the_run(tmp_path: Path) -> None:
    """Before its turn and after a second request too, and never the run after it."""
    place = Workplace(tmp_path)
    place.begin('me', 'propagate')
    place.stop('me', 'propagate')  # it waits for its turn
    with place.running('me', 'propagate') as stop:
        assert stop.is_set()
    place.stop('me', 'propagate')  # nothing runs
    place.begin('me', 'propagate')
    with place.running('me', 'propagate') as stop:
        assert not stop.is_set()
        place.begin('me', 'propagate')  # the button again, while it runs
        place.stop('me', 'propagate')
        assert stop.is_set()
    with place.running('me', 'propagate') as stop:
        assert not stop.is_set()


def test_discard_stays_inside(tmp_path: Path) -> None:
    place = Workplace(tmp_path / 'place')
    upload = tmp_path / 'place' / 'hash' / 'clip.mp4'
    upload.parent.mkdir()
    upload.touch()
    outside = tmp_path / 'mine.mp4'
    outside.touch()
    place.discard(upload)
    place.discard(outside)
    place.discard(tmp_path / 'place' / '..' / 'mine.mp4')
    assert not upload.parent.exists()
    assert outside.exists()
