"""ImageNet: the tar of tars, the devkit, Kaggle's archive."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.datasets.preparation.sources import (
    make_source,
    make_tar,
    make_zip,
    picture,
    read_tree,
)
from tests.real_data import real_data
from tests.tools.dataset_converters.common import build_dataset, converter, offences

imagenet = converter('imagenet')
CLASSES = ('n01440764', 'n01443537', 'n01484850')
TRAIN = {
    f'{wnid}/{wnid}_{i}.JPEG': picture(value=20 * c + i)
    for c, wnid in enumerate(CLASSES)
    for i in range(c + 2)
}
#: Class of each image of val, as its number in the devkit, from 1.
TRUTH = (2, 3, 1, 2, 1, 3)
VAL = {
    f'ILSVRC2012_val_{i:08d}.JPEG': picture(value=100 + i)
    for i in range(1, len(TRUTH) + 1)
}
EXPECTED = {f'train/{name}': content for name, content in TRAIN.items()} | {
    f'val/{CLASSES[number - 1]}/{name}': VAL[name]
    for name, number in zip(VAL, TRUTH, strict=True)
}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ImageNet have three classes and few images."""
    monkeypatch.setattr(imagenet, 'imagenet_classes', lambda: CLASSES)
    monkeypatch.setattr(imagenet, 'EXPECTED', {'train': (9, 2, 4), 'val': (6, 2, 2)})


def train_tar(folder: Path) -> Path:
    """Write the tar of a tar for each class."""
    inner = {}
    for wnid in CLASSES:
        files = {n.split('/')[1]: c for n, c in TRAIN.items() if n.startswith(wnid)}
        inner[f'{wnid}.tar'] = make_tar(folder / f'{wnid}.tar', files).read_bytes()
    return make_tar(folder / 'ILSVRC2012_img_train.tar', inner)


def meta_mat(name: str = 'synsets') -> bytes:
    """Write meta.mat as the devkit has it, with a class above those of the images."""
    savemat = pytest.importorskip('scipy.io').savemat
    kinds = [('ILSVRC2012_ID', 'O'), ('WNID', 'O'), ('words', 'O')]
    rows = [(float(i), wnid, f'name {i}') for i, wnid in enumerate(CLASSES, 1)]
    synsets = np.array([*rows, (4.0, 'n00001740', 'entity')], dtype=kinds)
    buffer = io.BytesIO()
    savemat(buffer, {name: synsets.reshape(-1, 1)})
    return buffer.getvalue()


def devkit(
    folder: Path, meta: bytes | None = None, truth: Sequence[object] = TRUTH
) -> Path:
    lines = '\n'.join(map(str, truth)) + '\n'
    base = 'ILSVRC2012_devkit_t12/data'
    files = {
        f'{base}/ILSVRC2012_validation_ground_truth.txt': lines.encode(),
        f'{base}/meta.mat': meta_mat() if meta is None else meta,
    }
    return make_tar(folder / 'ILSVRC2012_devkit_t12.tar.gz', files)


def run(out: Path, *sources: Path, processes: int = 1) -> dict[str, bytes]:
    words = [*map(str, sources), '--out', str(out), '--processes', str(processes)]
    imagenet.main(words)
    found = read_tree(out)
    return {name: found[name] for name in found if not name.startswith('manifest')}


@pytest.mark.usefixtures('few')
@pytest.mark.parametrize('processes', [1, 2])
def test_the_published_archives(tmp_path: Path, processes: int) -> None:
    val = make_tar(tmp_path / 'ILSVRC2012_img_val.tar', VAL)
    sources = (train_tar(tmp_path), val, devkit(tmp_path))
    assert run(tmp_path / 'out', *sources, processes=processes) == EXPECTED
    for loader, size in (('train', 9), ('val', 6)):
        config = '_base_/datasets/imagenet.py'
        dataset = build_dataset(config, loader, tmp_path / 'out')
        assert len(dataset) == size
        assert list(dataset.CLASSES) == sorted(CLASSES)
    assert [dataset.get_gt_labels()[i] for i in range(6)] == [0, 0, 1, 1, 2, 2]


def solution() -> str:
    """Kaggle's table of labels: classes and boxes."""
    rows = [
        f'{name[:-5]},{CLASSES[number - 1]} 1 2 3 4 {CLASSES[number - 1]} 5 6 7 8'
        for name, number in zip(VAL, TRUTH, strict=True)
    ]
    return '\n'.join(['ImageId,PredictionString', *rows])


@pytest.mark.usefixtures('few')
def test_kaggles_archive(tmp_path: Path) -> None:
    base = 'ILSVRC/Data/CLS-LOC'
    table = solution()
    files: Mapping[str, bytes] = (
        {f'{base}/train/{name}': content for name, content in TRAIN.items()}
        | {f'{base}/val/{name}': content for name, content in VAL.items()}
        | {f'{base}/test/ILSVRC2012_test_00000001.JPEG': b'left out'}
        | {'LOC_val_solution.csv': table.encode()}
    )
    source = make_zip(tmp_path / 'imagenet.zip', files)
    assert run(tmp_path / 'out', source) == EXPECTED


@pytest.mark.usefixtures('few')
def test_folders_that_are_sorted_already(tmp_path: Path) -> None:
    source = make_source(tmp_path, 'sorted', 'folder', EXPECTED)
    assert run(tmp_path / 'out', source) == EXPECTED


def test_val_without_labels_is_an_error(tmp_path: Path) -> None:
    val = make_tar(tmp_path / 'ILSVRC2012_img_val.tar', VAL)
    with pytest.raises(SystemExit, match=r'need labels .*devkit_t12\.tar\.gz'):
        run(tmp_path / 'out', val)
    assert not (tmp_path / 'out').exists()


FIRST = f'ILSVRC2012_val_00000001,{CLASSES[1]}'


@pytest.mark.parametrize(
    ('old', 'new', 'problem'),
    [
        (f'{FIRST} 1 2 3 4 {CLASSES[1]} 5 6 7 8\n', '', r'1 images .*val_0+1\.JPEG'),
        ('ImageId', 'id', "has no column ImageId .*'id'"),
        ('ImageId,PredictionString', '<html>', 'ImageId and none PredictionString'),
        (FIRST, 'ILSVRC2012_val_1,n01443537', "line 2: 'ILSVRC2012_val_1' with "),
        (FIRST, 'ILSVRC2012_val_00000001,cat', "line 2: .* with 'cat 1 2"),
        (f'{FIRST} 1 2 3 4 ', 'ILSVRC2012_val_00000001\n', "line 2: .* with ''"),
        (FIRST, '\xff', r'solution\.csv is no text'),
    ],
)
def test_a_bad_table_is_told(tmp_path: Path, old: str, new: str, problem: str) -> None:
    """By the name of its file, with what to do."""
    assert old in solution()
    table = solution().replace(old, new).encode('latin-1')
    files = VAL | {'LOC_val_solution.csv': table}
    source = make_zip(tmp_path / 'imagenet.zip', files)
    with pytest.raises(SystemExit, match=problem) as caught:
        run(tmp_path / 'out', source)
    assert 'imagenet.zip: ' in str(caught.value)
    assert str(caught.value).endswith('as published')
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    ('table', 'truth', 'problem'),
    [
        ('other', TRUTH, r"meta\.mat is no MATLAB file .*'synsets'"),
        ('<html>', TRUTH, r'meta\.mat is no MATLAB file .*'),
        ('synsets', (*TRUTH[:5], 99), r"truth\.txt: entry 6, '99', is no .*meta\.mat"),
        ('synsets', ('<html>', *TRUTH), r"truth\.txt: entry 1, '<html>'"),
        ('synsets', TRUTH[:4], r'2 images of val .* list of 4, first .*val_0+5\.JPEG'),
    ],
)
def test_a_bad_devkit_is_told(
    tmp_path: Path, table: str, truth: Sequence[object], problem: str
) -> None:
    val = make_tar(tmp_path / 'ILSVRC2012_img_val.tar', VAL)
    meta = b'<html>' * 99 if table == '<html>' else meta_mat(table)
    with pytest.raises(SystemExit, match=problem) as caught:
        run(tmp_path / 'out', val, devkit(tmp_path, meta, truth))
    assert str(caught.value).endswith('as published')
    assert not (tmp_path / 'out').exists()


@pytest.mark.usefixtures('few')
def test_every_damage_is_told(tmp_path: Path) -> None:
    out = make_source(tmp_path, 'out', 'folder', EXPECTED)
    train, val = out / 'train', out / 'val'
    for path in (train / CLASSES[0]).iterdir():
        path.unlink()
    (train / CLASSES[0]).rmdir()
    (train / 'n99999999').mkdir()
    broken = train / CLASSES[1] / f'{CLASSES[1]}_0.JPEG'
    broken.write_bytes(broken.read_bytes()[:60])
    (val / CLASSES[2] / 'ILSVRC2012_val_00000009.JPEG').write_bytes(picture())
    quick = [
        f"missing class in '{train}': {CLASSES[0]}",
        f"unknown class in '{train}': n99999999",
        f"'{train}/n99999999' has 0 images, not 2 to 4",
        f"'{train}' has 7 images, not 9",
        f"'{val}/{CLASSES[2]}' has 3 images, not 2",
        f"'{val}' has 7 images, not 6",
    ]
    assert offences(imagenet, out) == quick
    deep = offences(imagenet, out, '--content')
    assert len(deep) == len(quick) + 1
    assert any(text.startswith(f'{broken} cannot be read') for text in deep)
    assert offences(imagenet, out, '--splits', 'val') == quick[4:]


def test_the_real_sample_lacks_what_it_lacks() -> None:
    root = real_data('imagenet_tiny')
    found = offences(imagenet, root)
    assert sum(text.startswith('missing class') for text in found) == 2 * (1000 - 16)
    assert f"'{root}/train' has 64 images, not 1281167" in found
    assert f"'{root}/val' has 32 images, not 50000" in found
    assert not any(text.startswith('unknown class') for text in found)
