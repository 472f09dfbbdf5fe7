"""Kinetics: classes from folders, from the table and from the released subset."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.datasets.preparation.sources import make_folder, make_tar, read_tree
from tests.tools.dataset_converters.common import (
    build_dataset,
    converter,
    draw_video,
    offences,
)
from videomac.datasets import FramePairDataset
from videomac.datasets.preparation.official import k400_released_subset

kinetics = converter('kinetics')
RELEASED = k400_released_subset()[:2]
OTHER = ('abseiling', 'aaaaaaaaaaa_000001_000011')
NAMES = [name.split('/')[1] for name in RELEASED]
FRAMES = 6


@pytest.fixture(scope='module')
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Draw a video."""
    return draw_video(tmp_path_factory.mktemp('video') / 'x.mp4', FRAMES).read_bytes()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the released subset be short."""
    monkeypatch.setattr(kinetics, 'k400_released_subset', lambda: RELEASED)


def part(folder: Path, video: bytes) -> Path:
    """Write an archive as published: videos without folders."""
    names = (*NAMES, OTHER[1])
    return make_tar(folder / 'part_0.tar.gz', {f'./{n}.mp4': video for n in names})


@pytest.mark.usefixtures('few')
@pytest.mark.parametrize('processes', [1, 2])
def test_the_released_subset_as_frames(
    tmp_path: Path, video: bytes, processes: int, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'k400'
    words = [str(part(tmp_path, video)), '--out', str(out), '--subset', 'released']
    kinetics.main([*words, '--processes', str(processes), '--short-side', '24'])
    assert f'2 folders of {2 * FRAMES} frames in 2 classes' in capsys.readouterr().out
    for name in RELEASED:
        for t in range(FRAMES):
            frame = cv2.imread(str(out / 'train' / name / f'{t:05d}.jpg'))
            assert frame is not None
            assert frame.shape == (24, 32, 3)
            assert abs(float(np.mean(frame)) - (20 + 30 * t)) < 8
    dataset = build_dataset('_base_/datasets/k400.py', 'train', out / 'train', fraction=1)
    assert len(dataset) == 2 * (FRAMES - 1)
    assert dataset[3]['inputs'].shape[-3:] == (3, 224, 224)
    kinetics.main(['--check', '--out', str(out), '--subset', 'released', '--content'])


@pytest.mark.parametrize('first', ['part', 'replacement'])
@pytest.mark.parametrize('inside', ['', 'replacement_for_corrupted_k400/'])
def test_replacements_of_damaged_videos_win(
    first: str, inside: str, tmp_path: Path, video: bytes
) -> None:
    """Whatever comes first; the other videos stay, and a second run has nothing to do."""
    damaged = {f'{name}.mp4': video for name in NAMES} | {f'{NAMES[1]}.mp4': b'no video'}
    name = 'x' if inside else 'replacement_for_corrupted_k400'
    sources = [
        make_tar(tmp_path / 'part_0.tar.gz', damaged),
        make_tar(tmp_path / f'{name}.tgz', {f'{inside}{NAMES[1]}.mp4': video}),
    ]
    if first == 'replacement':
        sources.reverse()
    out = tmp_path / 'k400'
    words = [*map(str, sources), '--out', str(out), '--processes', '1', '--keep-videos']
    kinetics.main(words)
    before = read_tree(out)
    assert [each for each in before if each.endswith('.mp4')] == sorted(
        f'train/{name}.mp4' for name in NAMES
    )
    for name in NAMES:
        assert (out / f'train/{name}.mp4').read_bytes() == video
    kinetics.main(words)
    assert read_tree(out) == before


def test_only_a_video_replaces_a_video(tmp_path: Path, video: bytes) -> None:
    good = {f'{name}.mp4': video for name in NAMES}
    notes = {f'{NAMES[0]}.txt': b'a note', f'{NAMES[1]}.mp4': video}
    sources = [
        make_tar(tmp_path / 'part_0.tar.gz', good),
        make_tar(tmp_path / 'replacement_x.tgz', notes),
    ]
    out = tmp_path / 'k400'
    kinetics.main([*map(str, sources), '--out', str(out), '--keep-videos'])
    found = [name for name in read_tree(out) if name.endswith('.mp4')]
    assert found == sorted(f'train/{name}' for name in good)


OWN = 'own class/'
TRUE = 'true class/'


@pytest.mark.parametrize('where', ['part_0', 'train'])
@pytest.mark.parametrize(
    ('own', 'options', 'expected'),
    [
        ('', [], 'true_class'),
        ('', ['--subset', 'mine.txt'], 'true_class'),
        (OWN, [], 'own_class'),
        (OWN, ['--annotations', 'train.csv'], 'my_class'),
    ],
)
def test_a_replacement_takes_the_class_of_what_it_replaces(
    where: str,
    own: str,
    options: list[str],
    expected: str,
    tmp_path: Path,
    video: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a damaged video would itself lie there; wherever it comes in the order."""
    monkeypatch.chdir(tmp_path)
    table(tmp_path)
    (tmp_path / 'mine.txt').write_text(f'listed/{NAMES[0]}.mp4\nlisted/{NAMES[1]}.mp4\n')
    files = {
        f'{where}/{TRUE}{NAMES[0]}.mp4': b'no video',
        f'{where}/{NAMES[0]}.mp4': b'no video and no class',
        f'{where}/zzz/{NAMES[0]}.txt': b'nor is this',
        f'{where}/{TRUE}{NAMES[1]}.mp4': video,
        f'replacement/replacement_for_corrupted_k400/{own}{NAMES[0]}.mp4': video,
    }
    source = make_folder(tmp_path / 'k400', files)
    words = [str(source), '--out', 'out', '--keep-videos', *options, '--partial']
    kinetics.main(words)
    found = [name for name in read_tree(tmp_path / 'out') if NAMES[0] in name]
    assert found == [f'train/{expected}/{NAMES[0]}.mp4']
    assert (tmp_path / 'out' / found[0]).read_bytes() == video


@pytest.mark.usefixtures('few')
def test_frames_do_not_depend_on_the_number_of_processes(
    tmp_path: Path, video: bytes
) -> None:
    source = make_folder(
        tmp_path / 'train', {f'some class/{name}.mp4': video for name in NAMES}
    )
    for processes in ('1', '3'):
        out = str(tmp_path / processes)
        kinetics.main([str(source), '--out', out, '--processes', processes])
    assert read_tree(tmp_path / '1') == read_tree(tmp_path / '3')
    assert (tmp_path / '1/train/some_class' / NAMES[0] / '00005.jpg').is_file()


def table(folder: Path) -> Path:
    """Write the publisher's table."""
    rows = ['label,youtube_id,time_start,time_end,split,is_cc']
    for label, name in [('my class', NAMES[0]), ('(b) c', NAMES[1]), OTHER]:
        start, end = name[12:].split('_')
        rows.append(f'{label},{name[:11]},{int(start)},{int(end)},train,0')
    rows.append('val class,bbbbbbbbbbb,1,11,val,0')
    path = folder / 'train.csv'
    path.write_text('\n'.join(rows) + '\n')
    return path


def test_classes_of_the_table_and_kept_videos(tmp_path: Path, video: bytes) -> None:
    out = tmp_path / 'k400'
    annotations = ['--annotations', str(table(tmp_path))]
    source = str(part(tmp_path, video))
    words = ['--out', str(out), '--processes', '1']
    kinetics.main([source, *words, *annotations, '--keep-videos'])
    found = [name for name in read_tree(out) if name.startswith('train/')]
    assert found == sorted(
        [
            f'train/my_class/{NAMES[0]}.mp4',
            f'train/(b)_c/{NAMES[1]}.mp4',
            f'train/{OTHER[0]}/{OTHER[1]}.mp4',
        ]
    )
    config = '_base_/datasets/video_files.py'
    dataset = build_dataset(config, 'train', out / 'train')
    assert isinstance(dataset, FramePairDataset)
    assert len(dataset) == 3 * (FRAMES - 1)
    (out / 'train' / '(b)_c' / f'{NAMES[1]}.mp4').unlink()
    found_now = offences(kinetics, out, *annotations)
    assert f"missing video in '{out}/train': {NAMES[1]}" in found_now


def test_a_list_of_ones_own(tmp_path: Path, video: bytes) -> None:
    (tmp_path / 'mine.txt').write_text(f'data/x/{OTHER[0]}/{OTHER[1]}.mp4\n\n')
    out = tmp_path / 'k400'
    words = ['--out', str(out), '--subset', str(tmp_path / 'mine.txt')]
    kinetics.main([str(part(tmp_path, video)), *words, '--processes', '1'])
    folders = [path.parent for path in out.rglob('00000.jpg')]
    assert folders == [out / 'train' / OTHER[0] / OTHER[1]]


@pytest.mark.usefixtures('few')
def test_a_damaged_video_leaves_nothing_behind(tmp_path: Path, video: bytes) -> None:
    files = {f'c/{NAMES[0]}.mp4': video, f'c/{NAMES[1]}.mp4': video[: len(video) // 2]}
    source = make_folder(tmp_path / 'train', files)
    out = tmp_path / 'k400'
    words = [str(source), '--out', str(out), '--subset', 'released', '--processes', '1']
    with pytest.raises(SystemExit, match=rf'{NAMES[1]}\.mp4 cannot be decoded'):
        kinetics.main(words)
    assert [path.name for path in (out / 'train' / 'c').iterdir()] == [NAMES[0]]
    found = offences(kinetics, out, '--subset', 'released')
    assert found == [f"missing video in '{out}/train': {NAMES[1]}"]
    (source / 'c' / f'{NAMES[1]}.mp4').write_bytes(video)
    kinetics.main(words)


@pytest.mark.usefixtures('few')
def test_every_damage_is_told(tmp_path: Path, video: bytes) -> None:
    out = tmp_path / 'k400'
    words = ['--out', str(out), '--subset', 'released', '--processes', '1']
    kinetics.main([str(part(tmp_path, video)), *words])
    first, second = (out / 'train' / name for name in RELEASED)
    (first / '00002.jpg').unlink()
    frame = second / '00001.jpg'
    frame.write_bytes(frame.read_bytes()[:-60])
    make_folder(out / 'train/x/ccccccccccc_000000_000010', {'00000.jpg': b'no picture'})
    found = offences(kinetics, out, '--subset', 'released')
    for words_of in (
        f"unknown video in '{out}/train': ccccccccccc_000000_000010",
        f'{first} has no frame 00002',
        f'{first} has 5 frames, 6 were written',
        f'{frame} cannot be read',
        f'{out}/train/x/ccccccccccc_000000_000010/00000.jpg cannot be read',
    ):
        assert any(text.startswith(words_of) for text in found), words_of


@pytest.mark.parametrize(
    ('argv', 'words'),
    [
        (['--annotations', 'bad.csv'], 'is not the table of Kinetics'),
        (['--subset', 'empty.txt'], 'names no video'),
        (['--subset', 'absent.txt'], r'absent\.txt'),
        (['--quality', '0'], 'quality must be 1 to 100'),
        (['--short-side', '0'], 'short side must be 1 or more'),
    ],
)
def test_wrong_arguments(
    tmp_path: Path,
    video: bytes,
    argv: list[str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    make_folder(tmp_path, {'bad.csv': b'a,b\n1,2\n', 'empty.txt': b'\n'})
    with pytest.raises(SystemExit, match=words):
        kinetics.main([str(part(tmp_path, video)), '--out', 'out', *argv])
