"""What a painter may replace: its own older pictures, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.datasets.trees import video_of
from tests.visualization.test_propagation_painter import SQUARES, davis
from videomac.datasets import DAVISDataset, PropagationVideo
from videomac.visualization import PropagationPainter

__all__ = ['davis']  # a fixture


@pytest.mark.parametrize('there', ['alpha/00000.png', 'alpha/00000.jpg', 'alpha.mp4'])
def test_what_it_did_not_paint_is_not_replaced(
    davis: DAVISDataset, tmp_path: Path, there: str
) -> None:
    path = tmp_path / 'show' / there
    path.parent.mkdir(parents=True)
    path.write_bytes(b'of other origin')
    painter = PropagationPainter(tmp_path / 'show')
    with pytest.raises(ValueError, match=r"alpha.*' is in the place of the pictures"):
        painter.paint(video_of(davis), {'masks': SQUARES})
    assert path.read_bytes() == b'of other origin'


def test_own_frames_are_not_replaced_even_beside_a_clip(davis: DAVISDataset) -> None:
    video = video_of(davis)
    frames = Path(video.frames[0]).parent
    frames.with_suffix('.mp4').write_bytes(b'the video that they came from')
    before = {path: path.read_bytes() for path in frames.iterdir()}
    with pytest.raises(ValueError, match='is in the place of the pictures'):
        PropagationPainter(frames.parent).paint(video, {'masks': SQUARES})
    assert {path: path.read_bytes() for path in frames.iterdir()} == before


def test_a_painter_killed_between_frames_and_clip_paints_again(
    davis: DAVISDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = video_of(davis)
    painter = PropagationPainter(tmp_path / 'show')
    replace = os.replace

    def killed_before_the_clip(source: Path, target: Path | str) -> None:
        if Path(source).stem == 'clip':
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, 'replace', killed_before_the_clip)
        with pytest.raises(KeyboardInterrupt):
            painter.paint(video, {'masks': SQUARES})
    assert (tmp_path / 'show/alpha').is_dir()
    assert painter.clip('alpha') is None
    painter.paint(video, {'masks': SQUARES})
    assert painter.clip('alpha') is not None


def test_it_knows_what_it_shows(davis: DAVISDataset, tmp_path: Path) -> None:
    video = video_of(davis)
    painter = PropagationPainter(tmp_path / 'show')
    assert not painter.shows(video, {'masks': SQUARES})
    painter.paint(video, {'masks': SQUARES})
    files = sorted(path.name for path in (tmp_path / 'show').iterdir())
    assert painter.shows(video, {'masks': SQUARES})
    assert sorted(path.name for path in (tmp_path / 'show').iterdir()) == files
    # Of these frames alone, as a submission's are read back.
    meta = {'written': {'00000', '00004'}}
    sparse = PropagationVideo(**{**vars(video), 'meta': meta})
    assert painter.shows(sparse, {'masks': [SQUARES[0], SQUARES[4]]})
    assert not painter.shows(video, {'masks': [*SQUARES[:4], SQUARES[0]]})
    (tmp_path / 'show/alpha/00001.jpg').unlink()
    assert not painter.shows(video, {'masks': SQUARES})
    (tmp_path / 'show/alpha/.DS_Store').touch()  # of a file manager that was there
    painter.paint(video, {'masks': SQUARES})
    assert painter.shows(video, {'masks': SQUARES})
