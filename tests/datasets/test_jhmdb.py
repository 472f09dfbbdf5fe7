"""JHMDB from drawn trees and the real clip; broken trees are reported at once."""

from pathlib import Path

import numpy as np
import pytest

from tests.datasets.trees import make_jhmdb, video_of
from tests.real_data import real_data
from videomac.datasets import BrokenTreeError, JHMDBDataset
from videomac.datasets.jhmdb import read_joints
from videomac.registry import DATASETS

JOINTS = np.random.default_rng(0).uniform(-3, 64, (5, 15, 2))


@pytest.mark.parametrize('frames_first', [False, True])
def test_jhmdb_reads_lists_of_either_order(tmp_path: Path, frames_first: bool) -> None:
    videos = {'catch/a': JOINTS, 'run/b': JOINTS[:3] + 1}
    root = make_jhmdb(tmp_path, videos, frames_first=frames_first)
    dataset = DATASETS.build(dict(type='JHMDBDataset', data_root=root))
    assert dataset.metainfo['videos'] == ['catch/a', 'run/b']
    assert dataset.metainfo['joints'][3] == 'right shoulder'
    video = video_of(dataset)
    assert video.inputs[0].shape == (3, 320, 320)
    assert video.points is not None
    np.testing.assert_allclose(video.points, JOINTS[0].T, atol=1e-12)
    np.testing.assert_allclose(video.meta['points'], JOINTS, atol=1e-12)
    assert len(video_of(dataset, 1).frames) == 3


@pytest.mark.parametrize(('frames', 'length'), [(3, 3), (5, 5), (8, 5)])
def test_jhmdb_videos_end_with_the_shorter(
    tmp_path: Path, frames: int, length: int
) -> None:
    root = make_jhmdb(tmp_path, {'catch/a': JOINTS}, frames=frames)
    video = video_of(JHMDBDataset(root))
    assert len(video.frames) == len(video.inputs) == len(video.meta['points']) == length


@pytest.mark.parametrize(
    ('line', 'report'),
    [
        ('catch/a', 'must name a joint_positions.mat and a folder'),
        ('x/catch/a y/catch/a', 'must name a joint_positions.mat and a folder'),
        ('j/catch/a/joint_positions.mat f/catch/b', 'of another video'),
    ],
)
def test_jhmdb_lines_that_make_no_sense(tmp_path: Path, line: str, report: str) -> None:
    (tmp_path / 'testlist_split1.txt').write_text(f'{line}\n')
    with pytest.raises(ValueError, match=f'line 1 of .*{report}'):
        JHMDBDataset(tmp_path)


def test_broken_jhmdb(tmp_path: Path) -> None:
    pytest.importorskip('scipy')
    from scipy.io import savemat

    videos = {f'catch/{name}': JOINTS for name in 'abcd'}
    root = make_jhmdb(tmp_path, videos)
    joints = root / 'joint_positions/catch'
    savemat(joints / 'a/joint_positions.mat', {'pos_img': np.zeros((2, 14, 5))})
    (joints / 'b/joint_positions.mat').write_bytes(b'MATLAB, not really')
    (joints / 'c/joint_positions.mat').unlink()
    (root / 'Rename_Images/catch/d/00003.png').unlink()
    with pytest.raises(BrokenTreeError) as info:
        JHMDBDataset(root)
    for report in (
        '4 problems',
        'a/joint_positions.mat: pos_img must be [2, 15, T] without NaN, got [2, 14, 5]',
        "b/joint_positions.mat cannot be read as MATLAB's",
        'c/joint_positions.mat is missing',
        'd has no frame 00003',
    ):
        assert report in str(info.value)


def test_joints_of_a_single_frame(tmp_path: Path) -> None:
    root = make_jhmdb(tmp_path, {'catch/a': JOINTS[:1]})
    points = read_joints(root / 'joint_positions/catch/a/joint_positions.mat')
    np.testing.assert_allclose(points, JOINTS[:1], atol=1e-12)


def test_real_jhmdb() -> None:
    pytest.importorskip('scipy')
    video = video_of(JHMDBDataset(real_data('jhmdb'), list_file='val_list.txt'))
    assert (len(video.frames), video.ori_size) == (40, (240, 320))
    assert video.meta['points'].shape == (40, 15, 2)
    assert 300 < video.meta['points'][..., 0].max() < 320
