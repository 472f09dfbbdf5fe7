"""DAVIS from drawn trees and real sequences; broken trees are reported at once."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler, pseudo_collate
from PIL import Image

from tests.datasets.trees import make_davis, moving_squares, video_of, write_frame
from tests.real_data import real_data
from videomac.datasets import BrokenTreeError, DAVISDataset, LabelMapError, VIPDataset
from videomac.datasets.label_maps import object_palette, write_label_map
from videomac.registry import DATASETS

SQUARES = moving_squares(5)


@pytest.fixture
def davis(tmp_path: Path) -> Path:
    """Two videos of two objects, with void in one."""
    void = [ids.copy() for ids in SQUARES[:4]]
    for ids in void:
        ids[-3:] = 255
    return make_davis(tmp_path / 'DAVIS', {'goat': SQUARES, 'cows': void})


def test_davis_gives_whole_videos_in_the_order_of_the_list(davis: Path) -> None:
    dataset = DATASETS.build(dict(type='DAVISDataset', data_root=str(davis)))
    assert len(dataset) == 2
    assert dataset.metainfo == {
        'benchmark': 'DAVIS-2017',
        'videos': ['goat', 'cows'],
        'year': 2017,
        'split': 'val',
    }
    video = video_of(dataset)
    assert (video.video, video.ori_size) == ('goat', (48, 64))
    assert [Path(path).name for path in video.frames] == [
        f'{t:05d}.jpg' for t in range(5)
    ]
    assert video.inputs[0].shape == (3, 480, 640)
    assert video.first_label is not None
    assert np.array_equal(video.first_label, SQUARES[0])
    assert video.palette is not None
    assert np.array_equal(video.palette, object_palette())
    labels = video.meta['labels']
    assert len(labels) == 5
    assert all(np.array_equal(a, b) for a, b in zip(labels, SQUARES, strict=True))
    # Void is no label to propagate, but stays in the ground truth.
    other = video_of(dataset, 1)
    assert other.first_label is not None
    assert set(np.unique(other.first_label)) == {0, 1, 2}
    assert other.meta['labels'][0].max() == 255


def test_davis_2016_has_one_foreground(davis: Path) -> None:
    (davis / 'ImageSets' / '480p').mkdir()
    lines = [
        f'/JPEGImages/480p/goat/{t:05d}.jpg /Annotations/480p/goat/{t:05d}.png'
        for t in range(5)
    ]
    (davis / 'ImageSets' / '480p' / 'val.txt').write_text('\n'.join(lines))
    dataset = DAVISDataset(davis, year=2016)
    assert dataset.metainfo['videos'] == ['goat']
    video = video_of(dataset)
    assert video.first_label is not None
    assert np.array_equal(video.first_label, SQUARES[0] > 0)
    assert video.meta['labels'][3].max() == 1


def test_black_and_white_masks_need_the_year_2016(tmp_path: Path) -> None:
    root = make_davis(tmp_path, {'goat': SQUARES[:3]})
    folder = root / 'Annotations' / '480p' / 'goat'
    for path, ids in zip(sorted(folder.iterdir()), SQUARES, strict=False):
        Image.fromarray((ids > 0).astype(np.uint8) * 255).save(path)
    with pytest.raises(BrokenTreeError, match='year=2016'):
        DAVISDataset(root)
    with pytest.raises(LabelMapError, match='year=2016'):
        DAVISDataset(root, check=False)[0]
    (root / 'ImageSets' / '2017').rename(root / 'ImageSets' / '2016')
    first = video_of(DAVISDataset(root, year=2016)).first_label
    assert first is not None
    assert np.array_equal(first, SQUARES[0] > 0)


def test_davis_test_splits_have_one_annotation(tmp_path: Path) -> None:
    root = make_davis(tmp_path, {'goat': SQUARES}, split='test-dev')
    folder = root / 'Annotations' / '480p' / 'goat'
    for path in sorted(folder.iterdir())[1:]:
        path.unlink()
    video = video_of(DAVISDataset(root, split='test-dev'))
    assert 'labels' not in video.meta
    with pytest.raises(BrokenTreeError, match='4 problems'):
        DAVISDataset(root, split='test-dev', ground_truth=True)


def test_sizes_and_colours_are_settings(davis: Path) -> None:
    dataset = DAVISDataset(
        davis, size=(32, 40), mean=(0, 0, 0), std=(1, 1, 1), videos=['cows']
    )
    frame = video_of(dataset).inputs[0]
    assert frame.shape == (3, 32, 40)
    assert 0 <= frame.min() <= frame.max() <= 1
    assert video_of(DAVISDataset(davis, size=None)).inputs[0].shape == (3, 48, 64)
    # DINO's deviation of red is 0.228, not ImageNet's 0.229.
    shifted = video_of(DAVISDataset(davis, size=(32, 40), videos=['cows'])).inputs[0]
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.228, 0.224, 0.225])[:, None, None]
    assert torch.allclose(shifted, (frame - mean) / std, atol=1e-5)


def test_default_sampler_deals_out_videos(davis: Path) -> None:
    dataset = DAVISDataset(davis)
    loader = torch.utils.data.DataLoader(
        dataset,
        sampler=DefaultSampler(dataset, shuffle=False),
        collate_fn=pseudo_collate,
        num_workers=1,
    )
    batches = list(loader)
    assert [batch['inputs'][0].video for batch in batches] == ['goat', 'cows']
    assert batches[0]['inputs'][0].inputs[4].shape == (3, 480, 640)


def remove(name: str) -> Callable[[Path], None]:
    return lambda root: (root / name).unlink()


def truncate(root: Path) -> None:
    path = root / 'Annotations/480p/goat/00003.png'
    path.write_bytes(path.read_bytes()[:-20])


def no_video(root: Path) -> None:
    shutil.rmtree(root / 'JPEGImages/480p/goat')


def another_size(root: Path) -> None:
    write_frame(root / 'JPEGImages/480p/goat/00001.jpg', np.zeros((40, 64), np.uint8))


def another_label_size(root: Path) -> None:
    path = root / 'Annotations/480p/goat/00004.png'
    write_label_map(path, np.zeros((48, 60), np.uint8))


@pytest.mark.parametrize(
    ('harm', 'reports'),
    [
        (
            remove('JPEGImages/480p/goat/00002.jpg'),
            ['2 problems', '00002.png annotates a frame', 'has no frame 00002'],
        ),
        (
            remove('Annotations/480p/cows/00001.png'),
            ['1 problem', '00001.png is missing'],
        ),
        (no_video, ['1 problem', "video 'goat' has no frames"]),
        (truncate, ['1 problem', '00003.png cannot be read']),
        (another_size, ['1 problem', '00001.jpg is 64x40', 'is 64x48']),
        (another_label_size, ['1 problem', '00004.png is 60x48', 'is 64x48']),
    ],
)
def test_broken_davis(
    davis: Path, harm: Callable[[Path], None], reports: list[str]
) -> None:
    harm(davis)
    with pytest.raises(BrokenTreeError) as info:
        DAVISDataset(davis)
    for report in [*reports, 'DAVIS-2017 in', 'dataset.videos']:
        assert report in str(info.value)
    DAVISDataset(davis, check=False)


def test_many_problems_make_one_short_error(tmp_path: Path) -> None:
    root = make_davis(tmp_path, {'goat': moving_squares(30)})
    for path in (root / 'Annotations/480p/goat').iterdir():
        path.unlink()
    with pytest.raises(BrokenTreeError) as info:
        DAVISDataset(root)
    assert '30 problems' in str(info.value)
    assert 'and 20 more' in str(info.value)
    assert str(info.value).count('is missing') == 10


def test_bad_arguments(davis: Path) -> None:
    with pytest.raises(ValueError, match='2016 or 2017, got 2018'):
        DAVISDataset(davis, year=2018)
    with pytest.raises(FileNotFoundError, match=r'train\.txt.*dataset\.data_root'):
        DAVISDataset(davis, split='train')
    with pytest.raises(ValueError, match=r'1 of the videos .* \(first: sheep\)'):
        DAVISDataset(davis, videos=['goat', 'sheep'])
    with pytest.raises(ValueError, match='size must be'):
        DAVISDataset(davis, size=0)
    for flag in ('check', 'ground_truth'):
        flags: Any = {flag: 'no'}
        with pytest.raises(ValueError, match=f"{flag} must be True or False, got 'no'"):
            DAVISDataset(davis, **flags)
    (davis / 'ImageSets/2017/val.txt').write_text('\n')
    with pytest.raises(ValueError, match='names no video'):
        DAVISDataset(davis)
    with pytest.raises(ValueError, match="'category' or 'instance'"):
        VIPDataset(davis, labels='human')


def test_real_davis() -> None:
    dataset = DAVISDataset(real_data('davis2017'))
    lengths = {v.video: len(v.frames) for v in (video_of(dataset, i) for i in range(4))}
    assert lengths == {'blackswan': 50, 'camel': 90, 'car-shadow': 40, 'dog': 60}
    assert video_of(dataset).inputs[0].shape == (3, 480, 832)
