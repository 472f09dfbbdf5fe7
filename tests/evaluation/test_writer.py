"""Predictions on disk: whole videos or nothing, and no mixing of runs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.datasets.trees import (
    make_davis,
    make_jhmdb,
    make_youtube_vos,
    moving_squares,
    video_of,
)
from videomac.datasets import (
    DAVISDataset,
    JHMDBDataset,
    PropagationVideo,
    YouTubeVOSDataset,
)
from videomac.datasets.label_maps import read_palette
from videomac.evaluation import PredictionWriter
from videomac.evaluation.writer import partial_folder, restart

SQUARES = moving_squares(5)


@pytest.fixture
def goat(tmp_path: Path) -> PropagationVideo:
    return video_of(DAVISDataset(make_davis(tmp_path / 'DAVIS', {'goat': SQUARES})))


def test_masks_are_written_as_the_toolkit_reads_them(
    goat: PropagationVideo, tmp_path: Path
) -> None:
    writer = PredictionWriter(tmp_path / 'out')
    assert not writer.is_done(goat)
    writer.write(goat, {'masks': SQUARES})
    assert writer.is_done(goat)
    paths = sorted((tmp_path / 'out/goat').iterdir())
    assert [path.name for path in paths] == [f'{t:05d}.png' for t in range(5)]
    for path, ids in zip(paths, SQUARES, strict=True):
        with Image.open(path) as image:
            assert image.mode == 'P'
            assert np.array_equal(np.asarray(image), ids)
        assert np.array_equal(read_palette(path), goat.palette)  # type: ignore[arg-type]
    masks = writer.read(goat)['masks']
    assert all(np.array_equal(a, b) for a, b in zip(masks, SQUARES, strict=True))
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['goat']


class Killed(BaseException):
    """What a killed process never gets to handle."""


def test_a_killed_run_leaves_no_half_video(
    goat: PropagationVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = PredictionWriter(tmp_path / 'out')
    name = 'videomac.evaluation.writer.write_label_map'
    real = PredictionWriter.write.__globals__['write_label_map']
    written: list[Any] = []

    def killed_at_the_third(path: Path, *args: Any) -> None:
        if len(written) == 2:
            raise Killed
        written.append(path)
        real(path, *args)

    with monkeypatch.context() as patch:
        patch.setattr(name, killed_at_the_third)
        with pytest.raises(Killed):
            writer.write(goat, {'masks': SQUARES})
    assert not (tmp_path / 'out/goat').exists()
    assert not writer.is_done(goat)
    # The next run is not disturbed by what was left, and clears it.
    again = PredictionWriter(tmp_path / 'out')
    assert again.missing([goat]) == ['goat']
    again.write(goat, {'masks': SQUARES})
    assert again.missing([goat]) == []
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['goat']


def test_videos_with_missing_files_are_not_done(
    goat: PropagationVideo, tmp_path: Path
) -> None:
    writer = PredictionWriter(tmp_path / 'out')
    writer.write(goat, {'masks': SQUARES})
    (tmp_path / 'out/goat/00002.png').unlink()
    assert not writer.is_done(goat)
    with pytest.raises(FileNotFoundError, match="all predictions of video 'goat'"):
        writer.read(goat)
    writer.write(goat, {'masks': SQUARES[::-1]})
    assert np.array_equal(writer.read(goat)['masks'][0], SQUARES[-1])


def test_joints_survive(tmp_path: Path) -> None:
    points = np.random.default_rng(0).uniform(-1, 60, (4, 15, 2))
    visible = points[..., 0] > 5
    root = make_jhmdb(tmp_path / 'JHMDB', {'run/a': points})
    video = video_of(JHMDBDataset(root))
    writer = PredictionWriter(tmp_path / 'out')
    writer.write(video, {'points': points, 'visible': visible})
    assert writer.is_done(video)
    found = writer.read(video)
    assert np.array_equal(found['points'], points)
    assert np.array_equal(found['visible'], visible)
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['run']
    (tmp_path / 'out/run/a/poses.npz').write_bytes(b'PK, not really')
    with pytest.raises(ValueError, match=r'poses\.npz: cannot be read'):
        writer.read(video)
    assert not writer.is_done(video)


def test_submissions_hold_the_frames_that_are_asked_for(tmp_path: Path) -> None:
    root = make_youtube_vos(tmp_path / 'valid', {'a1': SQUARES}, {'a1': 2})
    video = video_of(YouTubeVOSDataset(root))
    writer = PredictionWriter(tmp_path / 'Annotations')
    writer.write(video, {'masks': SQUARES})
    names = sorted(path.name for path in (tmp_path / 'Annotations/a1').iterdir())
    assert names == ['00010.png', '00015.png', '00020.png']
    assert writer.is_done(video)
    assert np.array_equal(writer.read(video)['masks'][0], SQUARES[2])


@pytest.mark.parametrize('share', [0, 0.4, 0.9])
def test_broken_predictions_are_not_done(
    share: float, goat: PropagationVideo, tmp_path: Path, messages: list[str]
) -> None:
    """Files cut short, as a full disk leaves them."""
    points = np.random.default_rng(0).uniform(0, 60, (40, 15, 2))
    root = make_jhmdb(tmp_path / 'JHMDB', {'run/a': points})
    person = video_of(JHMDBDataset(root))
    writer = PredictionWriter(tmp_path / 'out')
    joints = {'points': points, 'visible': points[..., 0] > 5}
    for video, prediction, name in (
        (goat, {'masks': SQUARES}, 'goat/00003.png'),
        (person, joints, 'run/a/poses.npz'),
    ):
        writer.write(video, prediction)
        assert writer.is_done(video)
        path = tmp_path / 'out' / name
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        assert writer.missing([video]) == [video.video]
        warned = [text for text in messages if f'{path}: cannot be read' in text]
        assert f"predictions of video '{video.video}' do not count" in warned[0]
        writer.write(video, prediction)
        assert path.read_bytes() == content


def test_what_is_no_prediction_is_not_replaced(
    goat: PropagationVideo, tmp_path: Path
) -> None:
    frame = tmp_path / 'out/goat/00000.jpg'
    frame.parent.mkdir(parents=True)
    frame.write_bytes(b'a goat')
    writer = PredictionWriter(tmp_path / 'out')
    with pytest.raises(ValueError, match=r"goat' is the place .* holds '00000\.jpg'"):
        writer.write(goat, {'masks': SQUARES})
    assert frame.read_bytes() == b'a goat'
    frame.rename(frame.with_name('.DS_Store'))  # of a file manager that was there
    writer.write(goat, {'masks': SQUARES})
    assert writer.is_done(goat)


def test_another_run_is_not_mixed_in(goat: PropagationVideo, tmp_path: Path) -> None:
    run = {'config': 'a.py', 'checkpoint': 'x.pth', 'topk': (5,)}
    PredictionWriter(tmp_path / 'out', run).write(goat, {'masks': SQUARES})
    assert PredictionWriter(tmp_path / 'out', run).is_done(goat)
    assert PredictionWriter(tmp_path / 'out').is_done(goat)
    with pytest.raises(ValueError, match=r"checkpoint: 'x\.pth' there, 'y\.pth' now"):
        PredictionWriter(tmp_path / 'out', run | {'checkpoint': 'y.pth'})
    (tmp_path / 'out/run.json').write_text('{')
    with pytest.raises(ValueError, match='cannot be read'):
        PredictionWriter(tmp_path / 'out', run)
    (tmp_path / 'out/run.json').write_text(json.dumps(run))
    assert PredictionWriter(tmp_path / 'out', run).is_done(goat)


def test_predictions_that_do_not_fit(goat: PropagationVideo, tmp_path: Path) -> None:
    writer = PredictionWriter(tmp_path / 'out')
    with pytest.raises(ValueError, match="'goat' has 5 frames, the prediction 4"):
        writer.write(goat, {'masks': SQUARES[:4]})
    small = [ids[:40] for ids in SQUARES]
    with pytest.raises(ValueError, match=r"'goat', frame 0: the mask is \[40, 64\]"):
        writer.write(goat, {'masks': small})
    assert not writer.is_done(goat)


@pytest.mark.parametrize(
    'name', ['dog/00000.png', 'run/a/00000.png', 'dog/poses.npz', 'run/a/poses.npz']
)
def test_predictions_of_an_unknown_run_are_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / 'out' / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b'from elsewhere')
    with pytest.raises(ValueError, match=rf"out' holds .*unknown run: .*'{name}' but no"):
        PredictionWriter(tmp_path / 'out', {'topk': 5})
    assert not (tmp_path / 'out/run.json').exists()
    PredictionWriter(tmp_path / 'out')  # compares nothing
    # Those of a run in a folder of its own are no concern of this one.
    (tmp_path / 'out').rename(tmp_path / 'run')
    (tmp_path / 'run/run.json').write_text('{}')
    PredictionWriter(tmp_path, {'topk': 5})


def test_other_files_are_no_predictions(goat: PropagationVideo, tmp_path: Path) -> None:
    """Pictures beside the folders of videos, logs, what a killed process left."""
    out = tmp_path / 'out'
    for name in ('picture.png', 'logs/run.log', f'{partial_folder(out, "goat")}/0.png'):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(b'')
    PredictionWriter(out, {'topk': 5}).write(goat, {'masks': SQUARES})
    assert PredictionWriter(out, {'topk': 5}).is_done(goat)


def test_a_new_start_removes_predictions_alone(tmp_path: Path) -> None:
    points = np.zeros((4, 15, 2))
    names = ['run/a', 'run/b', 'sit/c']
    root = make_jhmdb(tmp_path / 'JHMDB', dict.fromkeys(names, points))
    out = tmp_path / 'out'
    old, new = {'topk': 5}, {'topk': 7}
    writer = PredictionWriter(out, old)
    dataset = JHMDBDataset(root)
    for index in range(3):
        video = video_of(dataset, index)
        writer.write(video, {'points': points, 'visible': points[..., 0] == 0})
    partial_folder(out, 'run/b').mkdir()
    for name in ('epoch_1.pth', 'sit/notes.txt', '.partial-notes/a.txt'):
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text('mine')
    (out / 'run/b/photo.png').write_text('mine')  # beside joints a picture is none
    mine = tmp_path / 'linked'
    (out / 'sit/c').rename(mine)
    (out / 'sit/c').symlink_to(mine)
    restart(out, new, [*names, 'walk/never'], 'poses.npz')
    left = sorted(str(p.relative_to(out)) for p in out.rglob('*') if p.is_file())
    kept = ['.partial-notes/a.txt', 'epoch_1.pth', 'run/b/photo.png', 'sit/notes.txt']
    assert left == sorted([*kept, 'run.json'])
    assert not (out / 'run/a').exists()
    assert (mine / 'poses.npz').is_file(), 'only the link to it is removed'
    assert writer.missing(video_of(dataset, i) for i in range(3)) == names
    PredictionWriter(out, new)
    with pytest.raises(ValueError, match='topk: 7 there, 5 now'):
        PredictionWriter(out, old)


def test_videos_are_written_whatever_others_remove(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No folder is shared with a process that removes it when it is empty."""
    root = make_davis(tmp_path / 'DAVIS', {'goat': SQUARES, 'fly': SQUARES})
    dataset = DAVISDataset(root)
    writer = PredictionWriter(tmp_path / 'out')
    real = Path.mkdir

    def mkdir(self: Path, *args: Any, **options: Any) -> None:
        """Another process writes a whole video after each folder that is made."""
        real(self, *args, **options)
        with monkeypatch.context() as patch:
            patch.setattr(Path, 'mkdir', real)
            writer.write(video_of(dataset, 1), {'masks': SQUARES})

    monkeypatch.setattr(Path, 'mkdir', mkdir)
    writer.write(video_of(dataset), {'masks': SQUARES})
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['fly', 'goat']
    folders = {
        partial_folder(tmp_path, name) for name in ('a/b', 'a-b', 'a b', 'é' * 127)
    }
    assert len(folders) == 4
    assert {folder.parent for folder in folders} == {tmp_path}
    assert max(len(folder.name) for folder in folders) < 40
