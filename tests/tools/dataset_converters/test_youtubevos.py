"""YouTube-VOS: train in both archives, valid."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.datasets.preparation.sources import make_source, picture
from tests.datasets.trees import make_youtube_vos, moving_squares
from tests.real_data import real_data
from tests.tools.dataset_converters.common import build_dataset, converter, offences
from videomac.datasets.preparation.official import youtube_vos_train_frames

youtubevos = converter('youtubevos')
#: Some of the official videos; the last has a hole in its numbers.
OFFICIAL = youtube_vos_train_frames()
HOLE = next(name for name, stems in OFFICIAL.items() if int(stems[1]) - int(stems[0]) > 5)
SOME = {name: OFFICIAL[name] for name in [*list(OFFICIAL)[:3], HOLE]}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the official list be short."""
    monkeypatch.setattr(youtubevos, 'youtube_vos_train_frames', lambda: SOME)


def train_files(step: int = 5) -> dict[str, bytes]:
    files = {'meta.json': json.dumps({'videos': {key: {} for key in SOME}}).encode()}
    for name, stems in SOME.items():
        numbers = {int(stem) for stem in stems}
        if step == 1:
            numbers |= set(range(min(numbers), max(numbers)))
        for number in numbers:
            files[f'JPEGImages/{name}/{number:05d}.jpg'] = picture()
        files[f'Annotations/{name}/{stems[0]}.png'] = picture('PNG', 1)
    return files


@pytest.mark.parametrize(
    ('kind', 'folder', 'step'),
    [
        ('.zip', 'train', 5),
        ('.tar', 'train', 5),
        ('folder', 'train', 5),
        ('.zip', '', 5),  # train.zip without a folder of that name inside
        ('.zip', 'train_all_frames', 1),
    ],
)
@pytest.mark.usefixtures('few')
def test_train_in_every_archive(
    tmp_path: Path,
    kind: str,
    folder: str,
    step: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    inside = {os.path.join(folder, name): c for name, c in train_files(step).items()}
    source = make_source(tmp_path, folder or 'train', kind, inside)
    out = tmp_path / 'out'
    youtubevos.main([str(source), '--out', str(out), '--processes', '2', '--content'])
    frames = sum(name.startswith('JPEG') for name in train_files(step))
    what = 'annotated frames' if step == 5 else 'every frame'
    told = f'train: 4 videos, {frames} frames ({what}), 4 annotations'
    assert told in capsys.readouterr().out
    dataset = build_dataset('_base_/datasets/ytvos.py', 'train', out / 'train')
    assert len(dataset) == frames - 4  # pairs of consecutive frames
    assert dataset.counts['unreadable'] == 0
    assert dataset[len(dataset) - 1]['inputs'].shape[-3:] == (3, 224, 224)


@pytest.mark.usefixtures('few')
def test_both_archives_together(tmp_path: Path) -> None:
    official = {f'train/{name}': c for name, c in train_files().items()}
    every = {f'train_all_frames/{name}': c for name, c in train_files(1).items()}
    every['train_all_frames/meta.json'] = b'{"videos": {}}'  # the official one is kept
    sources = [
        make_source(tmp_path, 'train', '.zip', official),
        make_source(tmp_path, 'train_all_frames', '.zip', every),
    ]
    out = tmp_path / 'out'
    youtubevos.main([*map(str, sources), '--out', str(out), '--processes', '1'])
    assert (out / 'train/meta.json').read_bytes() == official['train/meta.json']


@pytest.mark.usefixtures('few')
def test_one_archive_after_the_other(tmp_path: Path) -> None:
    official = {f'train/{name}': c for name, c in train_files().items()}
    every = {f'train_all_frames/{name}': c for name, c in train_files(1).items()}
    every['train_all_frames/meta.json'] = b'{"videos": {}}'
    out = tmp_path / 'out'
    for name, files in (('train', official), ('train_all_frames', every)):
        source = make_source(tmp_path, name, '.zip', files)
        youtubevos.main([str(source), '--out', str(out), '--processes', '1'])
    frames = [name for name in train_files(1) if name.startswith('JPEG')]
    assert all((out / 'train' / name).is_file() for name in frames)
    assert (out / 'train/meta.json').read_bytes() == official['train/meta.json']


@pytest.mark.parametrize('here', ['.', '../train/'])
@pytest.mark.usefixtures('few')
def test_the_folder_that_one_stands_in(
    here: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(make_source(tmp_path, 'train', 'folder', train_files()))
    youtubevos.main([here, '--out', str(tmp_path / 'out'), '--processes', '1'])
    assert (tmp_path / 'out/train/meta.json').is_file()


@pytest.mark.usefixtures('few')
def test_every_damage_is_told(tmp_path: Path) -> None:
    root = make_source(tmp_path, 'out', 'folder', {
        f'train/{name}': content for name, content in train_files().items()
    })  # fmt: skip
    images, labels = root / 'train/JPEGImages', root / 'train/Annotations'
    first, second, third, hole = SOME
    for path in (images / third).iterdir():
        path.unlink()
    (images / first / f'{SOME[first][3]}.jpg').unlink()
    (images / 'deadbeef00').mkdir()
    (images / second / '09995.jpg').write_bytes(picture())
    (images / hole / f'{SOME[hole][0]}.jpg').write_bytes(picture()[:40])
    (labels / second / '09990.png').write_bytes(picture('PNG', 1))
    (root / 'train/meta.json').write_text(json.dumps({'videos': {first: {}, 'x': {}}}))
    found = offences(youtubevos, root)
    for words in (
        f"missing video in '{images}': {third}",
        f"missing frame in '{images / first}': {SOME[first][3]}.jpg",
        f"unknown video in '{images}': deadbeef00",
        f"unknown frame in '{images / second}': 09995.jpg",
        f'{images / hole}/{SOME[hole][0]}.jpg cannot be read',
        f'{labels / second}/09990.png annotates a frame that is not there',
        f"unknown video in '{root}/train/meta.json': x",
        f"missing video in '{root}/train/meta.json': {second}",
    ):
        assert sum(text.startswith(words) for text in found) == 1, words
    assert len(found) == 8 + 2  # and two more videos that meta.json lacks


def test_valid_and_its_number_of_videos(tmp_path: Path) -> None:
    videos = {name: moving_squares(3) for name in ('aa', 'bb')}
    source = make_youtube_vos(tmp_path / 'valid', videos, {})
    out = tmp_path / 'out'
    words = [str(source), '--out', str(out), '--processes', '1']
    youtubevos.main([*words, '--partial'])
    expected = f"'{out}/valid' has 2 videos; 474 of 2018 or 507 of 2019 are expected"
    assert offences(youtubevos, out) == [expected]
    config = 'propagation/ytvos/videomac_convnextv2-small_s8_ytvos.py'
    assert len(build_dataset(config, 'test', out / 'valid')) == 2


def test_a_split_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / 'other').mkdir()
    assert 'has no folder train, valid, test' in offences(youtubevos, tmp_path)[0]


def test_the_real_sample_is_told_from_youtube_vos() -> None:
    """It has the layout, but the videos are those of DAVIS-2016."""
    root = real_data('ytvos')
    found = offences(youtubevos, root)
    videos = [path.name for path in (root / 'train/JPEGImages').iterdir()]
    text = '\n'.join(found)
    assert all(f"JPEGImages': {name}" in text for name in videos)
    assert sum(t.startswith('missing video in') for t in found) == 2 * 3471


@pytest.mark.slow
def test_the_whole_official_tree_passes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, stems in OFFICIAL.items():
        folder = tmp_path / 'train' / 'JPEGImages' / name
        folder.mkdir(parents=True)
        first = folder / f'{stems[0]}.jpg'
        first.write_bytes(picture())
        for stem in stems[1:]:  # links are quick to make
            os.link(first, folder / f'{stem}.jpg')
    youtubevos.main(['--check', '--out', str(tmp_path), '--processes', '2'])
    assert '3471 videos, 94588 frames (annotated frames)' in capsys.readouterr().out
