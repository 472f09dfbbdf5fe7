"""The split to tune on: disjoint, complete, fixed, and readable by the data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmarks.mini.split import link_split, split_videos
from tests.benchmarks.mini.toy import SCENES, make_data
from tests.real_data import real_data
from videomac.datasets import DAVISDataset
from videomac.registry import DATASETS

words = st.sampled_from([chr(ord('a') + i) for i in range(12)])
names = st.builds('-'.join, st.lists(words, min_size=1, max_size=2))


@given(st.lists(names, min_size=3, max_size=30, unique=True))
def test_sides_are_disjoint_complete_and_part_no_scene(videos: list[str]) -> None:
    if len({name.split('-')[0] for name in videos}) < 3:
        with pytest.raises(ValueError, match='scenes cannot be divided'):
            split_videos(videos)
        return
    learn, validate = split_videos(videos)
    assert not set(learn) & set(validate)
    assert sorted(learn + validate) == sorted(videos)
    assert learn
    assert validate
    first = [{name.split('-')[0] for name in side} for side in (learn, validate)]
    assert not first[0] & first[1]
    assert split_videos(videos[::-1]) == (learn, validate)


def test_the_links_are_data_sets_with_the_same_pictures(tmp_path: Path) -> None:
    data = make_data(tmp_path / 'data')
    root = data / 'ytvos' / 'train'
    for _ in range(2):  # links that are there are kept
        train, val = link_split(root, tmp_path / 'split')
    source = DATASETS.build(dict(type='YouTubeVOS', data_root=str(train)))
    assert [video.name for video in source.scan()] == [s for s in SCENES if s != 'cat']
    davis = DAVISDataset(val, size=64)
    assert [folder.name for folder in davis.folders] == ['cat']
    video = davis[0]['inputs']
    for t in range(4):
        want = np.asarray(Image.open(root / 'Annotations' / 'cat' / f'{3 * t:05d}.png'))
        assert np.array_equal(video.meta['labels'][t], want)


def test_a_video_without_masks_cannot_validate(tmp_path: Path) -> None:
    root = make_data(tmp_path) / 'ytvos' / 'train'
    (root / 'Annotations' / 'cat' / '00003.png').unlink()
    with pytest.raises(ValueError, match=r"'cat' cannot validate.*00003\.png"):
        link_split(root, tmp_path / 'split')
    with pytest.raises(FileNotFoundError, match='JPEGImages'):
        link_split(tmp_path / 'nowhere', tmp_path / 'split')


def test_the_real_split_keeps_to_the_training_videos(tmp_path: Path) -> None:
    root = real_data('ytvos', 'train')
    videos = [path.name for path in (root / 'JPEGImages').iterdir()]
    learn, validate = split_videos(videos)
    assert (len(learn), len(validate)) == (20, 7)
    tests = {p.name for p in (real_data('davis2017') / 'JPEGImages/480p').iterdir()}
    assert not tests & {*learn, *validate}
    _, val = link_split(root, tmp_path)
    assert len(DAVISDataset(val, size=256)) == 7
