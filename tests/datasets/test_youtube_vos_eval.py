"""The valid split of YouTube-VOS; objects enter later."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.datasets.trees import make_youtube_vos, moving_squares, video_of
from videomac.datasets import BrokenTreeError, YouTubeVOSDataset
from videomac.registry import DATASETS

SQUARES = moving_squares(5)


def test_youtube_vos_objects_enter_later(tmp_path: Path) -> None:
    late = [np.where(ids == 2, 0, ids) if t < 2 else ids for t, ids in enumerate(SQUARES)]
    empty = [np.zeros_like(ids) if t < 1 else ids for t, ids in enumerate(SQUARES)]
    root = make_youtube_vos(tmp_path, {'a1': late, 'b2': empty}, {'a1': 1})
    dataset = DATASETS.build(dict(type='YouTubeVOSDataset', data_root=root))
    video = video_of(dataset)
    assert video.first_label is not None
    assert set(np.unique(video.first_label)) == {0, 1}
    assert list(video.later_labels) == [2]
    assert np.array_equal(video.later_labels[2], np.where(SQUARES[2] == 2, 2, 0))
    assert video.meta['written'] == {'00005', '00010', '00015', '00020'}
    assert 'labels' not in video.meta
    other = video_of(dataset, 1)
    assert other.first_label is not None
    assert not other.first_label.any()
    assert np.array_equal(other.later_labels[1], SQUARES[1])


def test_broken_youtube_vos(tmp_path: Path) -> None:
    root = make_youtube_vos(tmp_path, {'a1': SQUARES, 'b2': SQUARES}, {})
    shutil.rmtree(root / 'Annotations/a1')
    (root / 'JPEGImages/b2/00015.jpg').unlink()
    with pytest.raises(BrokenTreeError) as info:
        YouTubeVOSDataset(root)
    assert '2 problems' in str(info.value)
    assert "video 'a1' has no annotation" in str(info.value)
    assert 'b2/00015.jpg is missing' in str(info.value)
    (root / 'meta.json').write_text(json.dumps({'videos': ['a1']}))
    with pytest.raises(ValueError, match=r'is not the meta\.json of YouTube-VOS'):
        YouTubeVOSDataset(root)
    (root / 'meta.json').unlink()
    with pytest.raises(FileNotFoundError, match=r'meta\.json.*dataset\.data_root'):
        YouTubeVOSDataset(root)
