"""VIP, the whole official val split in small pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.datasets.preparation.sources import make_source, picture, read_tree
from tests.tools.dataset_converters.common import build_dataset, converter, offences
from videomac.datasets.preparation.official import vip_val_frames

vip = converter('vip')
KINDS = ('Category_ids', 'Human_ids', 'Instance_ids')


def files(videos: list[str], mirror: bool = False) -> dict[str, bytes]:
    frame, label = picture(), picture('PNG', 1)
    found = {}
    for name in videos:
        for stem in vip_val_frames()[name]:
            found[f'Images/{name}/{stem}.jpg'] = frame
            for kind in KINDS:
                folder = kind if mirror else f'Annotations/{kind}'
                found[f'{folder}/{name}/{stem}.png'] = label
            folder = 'Instance_ids' if mirror else 'Annotations/Instance_ids'
            found[f'{folder}/{name}/{stem}.txt'] = b'1 2\n'
    return found


@pytest.fixture(scope='module')
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Convert the whole val split."""
    folder = tmp_path_factory.mktemp('vip')
    content = files(list(vip_val_frames()))
    content['lists/val_videos.txt'] = '\n'.join(vip_val_frames()).encode()
    wrapped = {f'VIP_Fine/{name}': text for name, text in content.items()}
    wrapped['VIP_Fine/adjacent_frames/videos1/1/000000000002.jpg'] = b'left out'
    source = make_source(folder, 'VIP_Fine', '.zip', wrapped)
    vip.main([str(source), '--out', str(folder / 'out'), '--processes', '2'])
    return folder / 'out'


def test_the_whole_split_passes(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vip.main(['--check', '--out', str(tree), '--instances'])
    assert 'val, 50 videos, 2445 frames' in capsys.readouterr().out
    assert not (tree / 'adjacent_frames').exists()


def test_the_data_set_of_the_config_loads(tree: Path) -> None:
    config = 'propagation/vip/videomac_resnet50_s8_vip.py'
    dataset = build_dataset(config, 'test', tree, check=False)
    assert dataset.metainfo['videos'] == list(vip_val_frames())
    video = dataset[0]['inputs']
    assert len(video.frames) == len(vip_val_frames()['videos338']) == 70
    assert video.meta['labels'][69].shape == (8, 8)


def test_mirrors_come_into_the_official_layout(tmp_path: Path) -> None:
    videos = ['videos226', 'videos95']  # the second has a hole in its numbers
    source = make_source(tmp_path, 'VIP', 'folder', files(videos, mirror=True))
    out = tmp_path / 'out'
    vip.main([str(source), '--out', str(out), '--partial', '--processes', '1'])
    found = read_tree(out)
    assert {name: found[name] for name in files(videos)} == files(videos)
    assert found['lists/val_videos.txt'].decode().split() == list(vip_val_frames())
    expected = [
        f"missing video in '{out}/Images': {name}"
        for name in vip_val_frames()
        if name not in videos
    ]
    assert offences(vip, out) == expected
    (out / 'Images/videos226/000000000026.jpg').unlink()
    (out / 'Annotations/Instance_ids/videos95/000000000001.txt').unlink()
    found_now = '\n'.join(offences(vip, out, '--instances'))
    assert f"missing frame in '{out}/Images/videos226': 000000000026.jpg" in found_now
    assert 'videos95/000000000001.txt is missing' in found_now
