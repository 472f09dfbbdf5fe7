"""The carried lists are those that were published."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.real_data import real_data
from tests.tools.test_train_cli import load_tool
from videomac.datasets.preparation.official import (
    LISTS,
    davis_frames,
    imagenet_classes,
    jhmdb_videos,
    k400_released_subset,
    pack_numbers,
    unpack_numbers,
    vip_val_frames,
    youtube_vos_train_frames,
)
from videomac.utils import tools_root


@given(st.sets(st.integers(0, 400), min_size=1))
def test_packing_keeps_every_number(numbers: set[int]) -> None:
    text = pack_numbers(sorted(numbers))
    assert unpack_numbers(text) == sorted(numbers)
    assert ' ' not in text


def test_packing_of_known_numbers() -> None:
    assert pack_numbers([0, 5, 10, 25, 30]) == '0-10/5,25-30/5'
    assert pack_numbers([7]) == '7'
    assert unpack_numbers('1-51/25,126') == [1, 26, 51, 126]


@pytest.mark.parametrize('numbers', [[], [-1, 2], [3, 3], [5, 4]])
def test_numbers_must_rise(numbers: list[int]) -> None:
    with pytest.raises(ValueError, match='rise'):
        pack_numbers(numbers)


@pytest.mark.parametrize('text', ['', 'a', '1-2', '1-5/0', '1,,2'])
def test_damaged_lists_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match='is no number'):
        unpack_numbers(text)


def total(frames: dict[str, tuple[str, ...]]) -> tuple[int, int]:
    return len(frames), sum(map(len, frames.values()))


def test_official_counts() -> None:
    assert total(youtube_vos_train_frames()) == (3471, 94588)
    assert total(vip_val_frames()) == (50, 2445)
    assert total(davis_frames(2017)) == (30, 1999)
    assert total(davis_frames(2016)) == (20, 1376)
    assert len(set(jhmdb_videos())) == 268
    assert len({name.split('/')[0] for name in jhmdb_videos()}) == 21
    assert len(set(k400_released_subset())) == 1770
    assert len({name.split('/')[0] for name in k400_released_subset()}) == 380
    assert len(set(imagenet_classes())) == 1000
    assert davis_frames(2016).items() <= davis_frames(2017).items()
    with pytest.raises(KeyError, match='2017 train'):
        davis_frames(2017, 'train')


def test_youtube_vos_names_are_the_published_ones() -> None:
    path = real_data('lists', 'youtube2018_train.json')
    published = json.loads(path.read_text())
    ours = youtube_vos_train_frames()
    assert {name: [f'{stem}.jpg' for stem in ours[name]] for name in ours} == published


def test_vip_names_are_the_published_ones() -> None:
    text = real_data('lists', 'vip_val_frames_2445.txt').read_text()
    published = [line.split()[1].split('Images/')[1] for line in text.splitlines()]
    frames = vip_val_frames()
    assert [f'{name}/{stem}.jpg' for name in frames for stem in frames[name]] == published
    listed = real_data('lists', 'vip_vallist_50videos.txt').read_text().splitlines()
    assert list(frames) == [line.split()[0].rpartition('/')[2] for line in listed]


def test_davis_lists_agree_with_the_sample() -> None:
    path = real_data('davis2017', 'ImageSets', '2017', 'val_official30.txt')
    assert list(davis_frames(2017)) == path.read_text().split()
    for folder in real_data('davis2017', 'JPEGImages', '480p').iterdir():
        stems = sorted(frame.stem for frame in folder.iterdir())
        assert list(davis_frames(2017)[folder.name]) == stems
    several = real_data('davis2017_multi', 'JPEGImages', '480p', 'bmx-trees')
    stems = sorted(frame.stem for frame in several.iterdir())
    assert list(davis_frames(2017)['bmx-trees']) == stems


def test_jhmdb_clips_are_those_of_the_official_splits() -> None:
    """The 21 official files mark the clips of the test with a 2."""
    test = set()
    for path in real_data('jhmdb', 'splits').glob('*_test_split1.txt'):
        action = path.name.removesuffix('_test_split1.txt')
        for line in path.read_text().split('\n'):
            if line.strip().endswith(' 2'):
                test.add(f'{action}/{line.split(".avi")[0]}')
    assert test == set(jhmdb_videos())


def test_the_k400_subset_is_the_released_one() -> None:
    text = real_data('lists', 'videomac_k400_selected_subdirs.txt').read_text()
    ours = [f'./data/k400/train/{name}.mp4' for name in k400_released_subset()]
    assert ours == text.split()


def test_imagenet_classes_are_in_the_order_of_their_indices() -> None:
    known = json.loads(real_data('imagenet_tiny', 'classes.json').read_text())
    assert known
    for one in known:
        assert imagenet_classes()[one['imagenet1k_index']] == one['wnid']


@pytest.mark.parametrize(
    ('option', 'parts', 'name'),
    [
        ('--youtube-vos', ('lists', 'youtube2018_train.json'), 'youtube_vos_2018_train'),
        ('--vip', ('lists', 'vip_val_frames_2445.txt'), 'vip_val'),
        ('--jhmdb', ('jhmdb', 'lists', 'val_list_official268.txt'), 'jhmdb_test_split1'),
        (
            '--k400',
            ('lists', 'videomac_k400_selected_subdirs.txt'),
            'k400_released_subset',
        ),
    ],
)
def test_lists_can_be_made_again(
    option: str,
    parts: tuple[str, ...],
    name: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = real_data(*parts)
    tool = load_tool(tools_root() / 'misc' / 'make_official_lists.py')
    tool.main([option, str(source), '--out', str(tmp_path)])
    made = tmp_path / f'{name}.txt'
    assert made.read_text() == (LISTS / f'{name}.txt').read_text()
    assert str(made) in capsys.readouterr().out


@pytest.mark.parametrize(
    ('maker', 'text', 'lines'),
    [
        (
            'youtube_vos',
            '{"b": ["00005.jpg"], "a": ["00000.jpg", "00005.jpg"]}',
            ['a 0-5/5', 'b 5'],
        ),
        (
            'vip',
            '1 VIP/Images/v2/000000000001.jpg x.png\n1 VIP/Images/v2/000000000026.jpg',
            ['v2 1-26/25'],
        ),
        (
            'jhmdb',
            'p/Rename_Images/a/v p/joint_positions/a/v/joint_positions.mat',
            ['a/v'],
        ),
        ('k400', './data/k400/train/a b/x.mp4\n', ['a b/x']),
    ],
)
def test_makers_on_drawn_lists(maker: str, text: str, lines: list[str]) -> None:
    tool = load_tool(tools_root() / 'misc' / 'make_official_lists.py')
    make: Callable[[str], list[str]] = getattr(tool, maker)
    assert make(text) == lines
