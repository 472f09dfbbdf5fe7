"""DAVIS, the whole official val split in small pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.datasets.preparation.sources import make_source, picture, read_tree
from tests.real_data import real_data
from tests.tools.dataset_converters.common import build_dataset, converter, offences
from videomac.datasets.preparation.official import davis_frames

davis = converter('davis')
CONFIGS = 'propagation/davis{}/videomac_resnet50_s8_davis{}.py'


def files(videos: list[str]) -> Iterator[tuple[str, bytes]]:
    frame, label = picture(), picture('PNG', 1)
    for name in videos:
        for stem in davis_frames(2017)[name]:
            yield f'JPEGImages/480p/{name}/{stem}.jpg', frame
            yield f'Annotations/480p/{name}/{stem}.png', label


def archive(folder: Path, kind: str, videos: list[str], lists: bool = True) -> Path:
    """Write the archive as published, with what the layout has no place for."""
    content = dict(files(videos))
    if lists:
        content['ImageSets/2017/val.txt'] = '\n'.join(videos).encode()
    content |= {'README.md': b'x', 'SOURCES.md': b'x'}
    wrapped = {f'DAVIS/{name}': text for name, text in content.items()}
    wrapped['__MACOSX/DAVIS/ImageSets/2017/._val.txt'] = b'junk'
    return make_source(folder, 'DAVIS-2017-trainval-480p', kind, wrapped)


@pytest.fixture(scope='module')
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Convert the whole val split."""
    folder = tmp_path_factory.mktemp('davis')
    source = archive(folder, '.zip', list(davis_frames(2017)))
    davis.main([str(source), '--out', str(folder / 'davis'), '--processes', '2'])
    return folder / 'davis'


def test_the_whole_split_passes(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    davis.main(['--check', '--out', str(tree), '--content'])
    assert 'DAVIS-2017 val, 30 videos, 1999 frames' in capsys.readouterr().out
    davis.main(['--check', '--out', str(tree), '--year', '2016'])
    assert 'DAVIS-2016 val, 20 videos, 1376 frames' in capsys.readouterr().out


@pytest.mark.parametrize(('year', 'videos'), [(2017, 30), (2016, 20)])
def test_the_data_set_of_the_config_loads(tree: Path, year: int, videos: int) -> None:
    config = CONFIGS.format(year, year)
    dataset = build_dataset(config, 'test', tree, check=False)
    assert [len(dataset), *dataset.metainfo['videos']] == [videos, *davis_frames(year)]
    video = dataset[0]['inputs']
    assert len(video.frames) == len(davis_frames(year)[video.video])


@pytest.mark.parametrize('kind', ['folder', '.tar', '.tar.gz'])
def test_other_archives_and_the_missing_list(tmp_path: Path, kind: str) -> None:
    videos = ['judo', 'libby']
    source = archive(tmp_path, kind, videos, lists=False)
    out = tmp_path / 'out'
    davis.main([str(source), '--out', str(out), '--partial', '--processes', '1'])
    expected = dict(files(videos))
    found = read_tree(out)
    assert {name: found[name] for name in expected} == expected
    listed = found['ImageSets/2017/val.txt'].decode().split()
    assert listed == list(davis_frames(2017))
    missing = [text for text in offences(davis, out) if 'missing video' in text]
    assert len(missing) == 28


def test_every_damage_is_told(tmp_path: Path) -> None:
    source = archive(tmp_path, '.zip', list(davis_frames(2016)), lists=False)
    out = tmp_path / 'out'
    davis.main([str(source), '--out', str(out), '--partial', '--processes', '1'])
    for name in ('manifest.json', 'manifest_files.jsonl.gz'):
        (out / name).unlink()  # a tree that somebody else unpacked
    frames, labels = out / 'JPEGImages/480p', out / 'Annotations/480p'
    (frames / 'camel/00010.jpg').unlink()
    (frames / 'dog/00060.jpg').write_bytes(picture())
    (labels / 'dog/00003.png').unlink()
    (labels / 'goat/00001.png').write_bytes(picture('PNG', 1)[:-20])
    Image.new('RGB', (9, 8)).save(frames / 'cows/00002.jpg')
    found = offences(davis, out, '--year', 2016)
    for words in (
        f"missing frame in '{frames}/camel': 00010.jpg",
        f"unknown frame in '{frames}/dog': 00060.jpg",
        f'{labels}/dog/00003.png is missing',
        f'{labels}/goat/00001.png cannot be read',
        f'{frames}/cows/00002.jpg is 9x8',
    ):
        assert sum(text.startswith(words) for text in found) == 1, words
    missing_mask = f'{labels}/dog/00060.png is missing'  # of the unknown frame
    orphan = f'{labels}/camel/00010.png annotates'
    hole = f'{frames}/camel has no frame 00010'
    others = (missing_mask, orphan, hole)
    assert len(found) == 5 + sum(text.startswith(others) for text in found)


def test_the_real_sample_lacks_exactly_what_it_lacks() -> None:
    root = real_data('davis2017')
    present = ['blackswan', 'camel', 'car-shadow', 'dog']
    absent = [name for name in davis_frames(2017) if name not in present]
    frames = root / 'JPEGImages' / '480p'
    expected = [f"missing video in '{frames}': {name}" for name in absent] + [
        f'missing video in the val list of 2017: {name}' for name in absent
    ]
    assert offences(davis, root) == expected


def test_a_real_archive_becomes_the_real_tree(tmp_path: Path) -> None:
    root = real_data('davis2017_multi')
    out = tmp_path / 'out'
    davis.main([str(root), '--out', str(out), '--partial', '--processes', '2'])
    found = read_tree(out)
    names = [n for n in found if n.startswith(('JPEGImages/', 'Annotations/'))]
    assert len(names) > 80
    assert all(found[name] == (root / name).read_bytes() for name in names)
