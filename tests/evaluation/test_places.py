"""Where predictions may lie: neither among frames and labels nor among other files."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.datasets.trees import (
    make_davis,
    make_jhmdb,
    make_youtube_vos,
    moving_squares,
    video_of,
)
from videomac.datasets import DAVISDataset, JHMDBDataset, YouTubeVOSDataset
from videomac.datasets.propagation_base import PropagationDataset
from videomac.evaluation.places import check_apart, check_place, prediction_files

SQUARES = moving_squares(3)
JOINTS = np.random.default_rng(0).uniform(4, 44, (3, 15, 2))
DATA = {
    'davis': ['JPEGImages/480p', 'Annotations/480p'],
    'jhmdb': ['Rename_Images', 'joint_positions'],
    'ytvos': ['JPEGImages', 'Annotations'],
}


def make(kind: str, root: Path) -> PropagationDataset:
    """A drawn data set of two videos, of which the first is asked for."""
    if kind == 'davis':
        make_davis(root, {'dog': SQUARES, 'root': SQUARES})
        return DAVISDataset(root, videos=['dog'])
    if kind == 'jhmdb':
        make_jhmdb(root, {'run/a': JOINTS, 'sit/b': JOINTS})
        return JHMDBDataset(root, videos=['run/a'])
    make_youtube_vos(root, {'dog': SQUARES, 'root': SQUARES}, {})
    return YouTubeVOSDataset(root, videos=['dog'])


def inside(root: Path, kind: str) -> set[Path]:
    """All that lies in the folders of frames and labels."""
    videos = ('run/a', 'sit/b') if kind == 'jhmdb' else ('dog', 'root')
    folders = [root / data / video for data in DATA[kind] for video in videos]
    return {path for folder in folders for path in (folder, *folder.rglob('*'))}


def is_refused(out: Path, dataset: PropagationDataset) -> bool:
    try:
        check_apart(out, dataset)
    except ValueError as error:
        return 'of frames or labels in the data set' in str(error)
    return False


def changes_data(copy: Path, kind: str, place: str, names: list[str]) -> bool:
    """Replace the videos' folders, as the writer does, and compare the data."""
    before = inside(copy, kind)
    for name in names:
        folder = (copy / place / name).resolve()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / 'prediction').touch()
    return inside(copy, kind) != before


@pytest.mark.parametrize('kind', DATA)
@pytest.mark.parametrize('linked', [False, True])
def test_data_are_told_from_other_folders(
    kind: str, linked: bool, tmp_path: Path
) -> None:
    """Refused is what changes the data, as is seen when it is done to a copy."""
    dataset = make(kind, tmp_path / 'root')
    names = dataset.list_videos()
    bad = [path for data in DATA[kind] for path in (data, f'{data}/{names[0]}')]
    good = ['', 'predictions', 'Annotations_old', f'{DATA[kind][0]}_old', '../other']
    # Above the data set, whose own folder has the name of a video.
    above = ['..', Path(DATA[kind][0]).parts[0]]
    for number, place in enumerate((*bad, *good, *above)):
        out = tmp_path / 'root' / place
        if linked and out.is_dir():
            target, out = out.resolve(), tmp_path / f'link-{number}'
            out.symlink_to(target)
        copy = tmp_path / f'copy-{number}' / 'root'
        shutil.copytree(tmp_path / 'root', copy)
        expected = changes_data(copy, kind, place, names)
        assert is_refused(out, dataset) == expected, place
        assert expected == (place in bad) or place in above, 'the test tests something'


@pytest.mark.parametrize(
    ('kind', 'names', 'fits'),
    [
        ('davis', [], True),
        ('davis', ['00000.png', '.DS_Store'], True),
        ('davis', ['00000.png', '00000.jpg'], False),
        ('davis', ['poses.npz'], False),
        ('jhmdb', [], True),
        ('jhmdb', ['poses.npz', '.DS_Store'], True),
        ('jhmdb', ['00001.png'], False),
        ('jhmdb', ['poses.npz', 'other.npz'], False),
    ],
)
def test_predictions_are_known_by_their_kind(
    kind: str, names: list[str], fits: bool, tmp_path: Path
) -> None:
    video = video_of(make(kind, tmp_path / 'root'))
    folder = tmp_path / 'out' / video.video
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()
    files = prediction_files(video)
    if fits:
        check_place(tmp_path / 'out', video.video, files)
        return
    with pytest.raises(ValueError, match=rf"'{video.video}', and holds '.*', which is"):
        check_place(tmp_path / 'out', video.video, files)
