"""Pictures of whole videos: what is painted, what a killed run leaves, the sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.datasets.trees import (
    make_davis,
    make_jhmdb,
    moving_squares,
    video_of,
    write_frame,
)
from videomac.datasets import DAVISDataset, JHMDBDataset, PropagationVideo
from videomac.datasets.label_maps import object_palette
from videomac.visualization import PropagationPainter, clips
from videomac.visualization import propagation as painting
from videomac.visualization.overlay import TINT, contour_colours
from videomac.visualization.sequence_sheet import (
    CAPTION,
    EMPTY,
    GAP,
    HEADING,
    WIDE_GAP,
    WIDTH,
    SequenceRow,
    sequence_sheet,
)

SQUARES = moving_squares(5)
NAMES = ('alpha', 'bravo', 'charlie')


@pytest.fixture
def davis(tmp_path: Path) -> DAVISDataset:
    return make_two(tmp_path)


def make_two(folder: Path) -> DAVISDataset:
    root = make_davis(folder / 'davis', {'alpha': SQUARES, 'bravo': SQUARES[:3]})
    return DAVISDataset(root, size=None)


def picture(path: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(path).convert('RGB'))


def count_frames(path: Path) -> int:
    if path.suffix == '.gif':
        with Image.open(path) as image:
            return int(getattr(image, 'n_frames', 1))
    capture = cv2.VideoCapture(str(path))
    count = 0
    while capture.read()[0]:
        count += 1
    return count


@pytest.mark.parametrize('mp4', [True, False])
def test_masks(
    davis: DAVISDataset, tmp_path: Path, mp4: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All frames and a clip; the colours are those of the palette."""
    if mp4 and not clips.mp4_works():
        pytest.skip('this OpenCV cannot write MP4 files')
    monkeypatch.setattr(clips, 'mp4_works', lambda: mp4)
    video = video_of(davis)
    painter = PropagationPainter(tmp_path / 'show')
    painter.paint(video, {'video': 'alpha', 'masks': SQUARES})
    files = sorted(path.name for path in (tmp_path / 'show' / 'alpha').iterdir())
    assert files == [f'{t:05d}.jpg' for t in range(5)]
    clip = painter.clip('alpha')
    assert clip == tmp_path / 'show' / ('alpha.mp4' if mp4 else 'alpha.gif')
    assert count_frames(clip) == 5
    assert not (tmp_path / 'show' / '.partial').exists()
    for t, ids in enumerate(SQUARES):
        frame = picture(Path(video.frames[t])).astype(float)
        shown = picture(tmp_path / 'show' / 'alpha' / f'{t:05d}.jpg').astype(float)
        for k in (1, 2):
            ys, xs = np.nonzero(ids == k)
            inside = np.s_[ys.min() + 4 : ys.max() - 3, xs.min() + 4 : xs.max() - 3]
            expected = (1 - TINT) * frame[inside] + TINT * object_palette()[k]
            # Means, because JPEG smooths the noise of the frames.
            difference = shown[inside].mean((0, 1)) - expected.mean((0, 1))
            assert np.abs(difference).max() < 8
        far = cv2.dilate((ids > 0).astype(np.uint8), np.ones((17, 17))) == 0
        assert np.abs(shown[far].mean(0) - frame[far].mean(0)).max() < 3


def test_palettes(davis: DAVISDataset, tmp_path: Path) -> None:
    """The video's palette goes before the default one, and the painter's before both."""
    video = video_of(davis)
    masks = [np.full_like(ids, 1) for ids in SQUARES]
    own, given = object_palette(), object_palette()
    own[1], given[1] = (0, 255, 0), (0, 0, 255)
    fields = {**vars(video), 'palette': own}
    for palette, fields_, colour in (
        (None, {**fields, 'palette': None}, object_palette()[1]),
        (None, fields, own[1]),
        (given, fields, given[1]),
    ):
        painter = PropagationPainter(tmp_path / 'show', palette)
        painter.paint(PropagationVideo(**fields_), {'masks': masks})
        shown = picture(tmp_path / 'show' / 'alpha' / '00000.jpg').astype(float)
        frame = picture(Path(video.frames[0])).astype(float)
        tint = (shown.mean((0, 1)) - (1 - TINT) * frame.mean((0, 1))) / TINT
        assert np.abs(tint - colour).max() < 5


def test_poses(tmp_path: Path) -> None:
    """Small frames are enlarged; joints are where they are on the large ones."""
    angle = 2 * np.pi * np.arange(15) / 15
    circle = np.stack([32 + 18 * np.cos(angle), 24 + 18 * np.sin(angle)], axis=1)
    points = np.stack([circle, circle + np.array([1, 0])])
    dataset = JHMDBDataset(make_jhmdb(tmp_path / 'j', {'catch/one': points}))
    visible = np.ones((2, 15), bool)
    visible[1, 7] = False
    painter = PropagationPainter(tmp_path / 'show')
    painter.paint(video_of(dataset), {'points': points, 'visible': visible})
    folder = tmp_path / 'show' / 'catch' / 'one'
    shown = [picture(folder / f'{t:05d}.jpg').astype(int) for t in (1, 2)]
    assert [each.shape for each in shown] == [(480, 640, 3)] * 2
    for t, j in ((0, 7), (0, 8), (1, 7), (1, 8)):
        x, y = ((points[t, j] + 0.5) * 10 - 0.5).round().astype(int)
        spot = shown[t][y - 1 : y + 2, x - 1 : x + 2].mean((0, 1))
        expected = {7: (230, 110, 0), 8: (86, 180, 233)}[j]
        drawn = np.abs(spot - expected).max() < 12
        assert drawn == bool(visible[t, j])
    assert painter.clip('catch/one') is not None
    assert not (tmp_path / 'show' / '.partial').exists()


def test_chosen_frames_and_those_that_are_written(
    davis: DAVISDataset, tmp_path: Path
) -> None:
    """Some frames; and masks of some frames, as a submission's are read back."""
    video = video_of(davis)
    painter = PropagationPainter(tmp_path / 'show')
    painter.paint(video, {'masks': SQUARES}, frames=[1, 3])
    folder = tmp_path / 'show' / 'alpha'
    assert sorted(path.stem for path in folder.iterdir()) == ['00001', '00003']
    meta = {'written': {'00000', '00004'}}
    sparse = PropagationVideo(**{**vars(video), 'meta': meta})
    masks = [np.zeros_like(SQUARES[0]), np.full_like(SQUARES[0], 2)]
    painter.paint(sparse, {'masks': masks})
    assert sorted(path.stem for path in folder.iterdir()) == ['00000', '00004']
    green = picture(folder / '00004.jpg').mean((0, 1))
    assert green[1] > green[0] + 20
    clip = painter.clip('alpha')
    assert clip is not None
    assert count_frames(clip) == 2


def test_a_killed_run_leaves_nothing_half(
    davis: DAVISDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A video is there as a whole or not at all, and is painted anew the next time."""
    video = video_of(davis)
    painter = PropagationPainter(tmp_path / 'show')
    masks = [*SQUARES[:3], np.zeros((3, 3), np.uint8), SQUARES[4]]
    with pytest.raises(ValueError, match=r"video 'alpha', frame 3: .*\[3, 3\]"):
        painter.paint(video, {'masks': masks})
    assert painter.clip('alpha') is None
    assert not (tmp_path / 'show' / 'alpha').exists()

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(clips.ClipWriter, 'close', killed)
        with pytest.raises(KeyboardInterrupt):
            painter.paint(video, {'masks': SQUARES})
    assert painter.clip('alpha') is None
    # The sheet does not take what is left for painted.
    assert list(names_on(painter, {'bravo': 0.5}, monkeypatch)) == ['bravo']
    painter.paint(video, {'masks': SQUARES})
    clip = painter.clip('alpha')
    assert clip is not None
    assert not (tmp_path / 'show' / '.partial').exists()
    # Killed between frames and clip: the clip decides.
    clip.unlink()
    assert names_on(painter, {'alpha': 0.5}, monkeypatch)['alpha'].pictures == ()


def names_on(
    painter: PropagationPainter,
    scores: dict[str, float],
    monkeypatch: pytest.MonkeyPatch,
    videos: Sequence[str] = NAMES,
) -> dict[str, SequenceRow]:
    """Rows that go into the sheet, by name."""
    rows: list[SequenceRow] = []

    def keep(found: list[SequenceRow], title: str) -> NDArray[np.uint8]:
        rows.extend(found)
        return sequence_sheet(found, title)

    with monkeypatch.context() as patch:
        patch.setattr(painting, 'sequence_sheet', keep)
        painter.sheet(videos, scores)
    return {row.name: row for row in rows}


def test_sheet_of_a_resumed_run(
    davis: DAVISDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Videos of an earlier painter are on it; missing ones and scores are shown so."""
    PropagationPainter(tmp_path / 'show').paint(video_of(davis, 0), {'masks': SQUARES})
    resumed = PropagationPainter(tmp_path / 'show')
    resumed.paint(video_of(davis, 1), {'masks': SQUARES[:3]})
    scores = {'charlie': 0.25, 'bravo': 0.5}
    rows = names_on(resumed, scores, monkeypatch)
    assert list(rows) == ['charlie', 'bravo', 'alpha']
    assert [row.score for row in rows.values()] == pytest.approx(
        [0.25, 0.5, math.nan], nan_ok=True
    )
    stems = [[path.stem for path in row.pictures] for row in rows.values()]
    assert stems == [[], ['00000', '00001', '00002'], ['00000', '00002', '00004']]
    alone = names_on(resumed, {'bravo': 0.5}, monkeypatch, ('bravo', 'charlie'))
    assert list(alone) == ['bravo'], 'pictures of other videos are not on it'
    path = resumed.sheet(NAMES, scores, 'J&F-Mean')
    assert path == tmp_path / 'show' / 'sheet.jpg'
    sheet = picture(path)
    tall = WIDTH * 48 // 64
    top = HEADING + CAPTION
    assert sheet.shape[1] == 3 * (WIDTH + GAP) - GAP + 2 * WIDE_GAP
    # The first row is empty, the second and third show the frames.
    assert sheet[top + 40, WIDE_GAP + 40].astype(int) == pytest.approx(EMPTY, abs=3)
    top += WIDTH // 2 + WIDE_GAP + CAPTION
    for name, times in (('bravo', (0, 1, 2)), ('alpha', (0, 2, 4))):
        for k, t in enumerate(times):
            left = WIDE_GAP + k * (WIDTH + GAP)
            shown = sheet[top : top + tall, left : left + WIDTH].astype(float)
            frame = picture(tmp_path / 'show' / name / f'{t:05d}.jpg')
            large = cv2.resize(frame, (WIDTH, tall), interpolation=cv2.INTER_CUBIC)
            assert np.abs(shown - large).mean() < 6
        top += tall + WIDE_GAP + CAPTION


def test_sheets_of_all_sizes(tmp_path: Path) -> None:
    """Upright pictures fit; many sequences spread over columns; long names too."""
    write_frame(tmp_path / 'tall.png', np.zeros((90, 30), np.uint8))
    paths = (tmp_path / 'tall.png',) * 3
    sheet = sequence_sheet([SequenceRow('x' * 500, 84.9, paths)])
    assert sheet.shape == (HEADING + CAPTION + WIDTH + WIDE_GAP, 762, 3)
    # The picture is in the middle of its place.
    place = sheet[HEADING + CAPTION :, WIDE_GAP : WIDE_GAP + WIDTH]
    dark = np.flatnonzero((place[: WIDTH // 2] < 250).any(axis=(0, 2)))
    assert (dark.min(), dark.max()) == (WIDTH // 2 - 40, WIDTH // 2 + 39)
    rows = [SequenceRow(f'video {k}', math.nan, ()) for k in range(268)]
    sheet = sequence_sheet(rows)
    assert 1 < sheet.shape[1] / sheet.shape[0] < 1.8
    greys = (sheet == np.array(EMPTY)).all(axis=2).sum()
    assert greys == pytest.approx(268 * 3 * WIDTH * (WIDTH // 2), rel=1e-3)


def test_scores_and_names_are_written() -> None:
    """Captions differ where scores or names do, and not elsewhere."""

    def caption(name: str, score: float) -> NDArray[np.uint8]:
        sheet = sequence_sheet([SequenceRow(name, score, ())])
        return sheet[HEADING : HEADING + CAPTION]

    base = caption('dog', 0.5)
    half = base.shape[1] // 2
    other_score = caption('dog', 0.751)
    assert np.array_equal(base[:, :half], other_score[:, :half])
    assert not np.array_equal(base, other_score)
    other_name = caption('cat', 0.5)
    assert np.array_equal(base[:, half:], other_name[:, half:])
    assert not np.array_equal(base, other_name)
    assert np.array_equal(caption('dog', math.nan), caption('dog', math.inf))


def test_bad_input(davis: DAVISDataset, tmp_path: Path) -> None:
    """The message says which video, and what there was instead."""
    video = video_of(davis)
    painter = PropagationPainter(tmp_path / 'show')
    with pytest.raises(ValueError, match=r"'alpha' has 5 frames, the prediction 4 masks"):
        painter.paint(video, {'masks': SQUARES[:4]})
    with pytest.raises(ValueError, match=r"'alpha' needs a prediction of masks, got \["):
        painter.paint(video, {'points': np.zeros((5, 15, 2))})
    for frames in ([], [5], [-1]):
        with pytest.raises(ValueError, match=r'5 frames between 0 and 4; asked to paint'):
            painter.paint(video, {'masks': SQUARES}, frames=frames)
    with pytest.raises(ValueError, match='none of the videos has been painted'):
        painter.sheet(NAMES, {})
    with pytest.raises(ValueError, match=r'palette must be \[256, 3\], got \[3, 3\]'):
        PropagationPainter(tmp_path, np.zeros((3, 3), np.uint8))
    with pytest.raises(ValueError, match=r'fps must be 0\.001 to 1000 .* got -1'):
        PropagationPainter(tmp_path, fps=-1)


def test_contours_in_the_picture(davis: DAVISDataset, tmp_path: Path) -> None:
    """A mask of one object has its bright contour at the object's upper left."""
    ids = np.zeros_like(SQUARES[0])
    ids[16:32, 16:48] = 1
    painter = PropagationPainter(tmp_path / 'show')
    painter.paint(video_of(davis), {'masks': [ids] * 5}, frames=[2])
    shown = picture(tmp_path / 'show' / 'alpha' / '00002.jpg').astype(int)
    edge, inside = shown[16, 20:44].mean(0), shown[24, 20:44].mean(0)
    bright = contour_colours(object_palette())[1]
    assert np.abs(edge - bright).sum() < np.abs(inside - bright).sum() / 2
