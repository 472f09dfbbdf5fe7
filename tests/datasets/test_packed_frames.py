"""Frames packed in archives and databases are the frames that were packed."""

import importlib.util
import pickle
import tarfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from torch.utils.data import DataLoader

from tests.datasets.decoding.pictures import jpeg, smooth
from tests.datasets.preparation.sources import make_tar
from tests.real_data import real_data
from videomac.datasets import (
    FrameFolders,
    FramePairDataset,
    PackedFrames,
    UnreadableVideoError,
)

FORMATS = ['tar', 'lmdb']
ROOT = Path(__file__).resolve().parents[2]


def packer() -> ModuleType:
    """The module of tools/pack_frames.py."""
    spec = importlib.util.spec_from_file_location('pack', ROOT / 'tools/pack_frames.py')
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pack(root: Path, out: Path, kind: str, *options: str) -> Path:
    """Run the tool."""
    if kind == 'lmdb':
        pytest.importorskip('lmdb')
    packer().main([str(root), str(out), '--format', kind, *options])
    return out


def write_tree(root: Path) -> Path:
    """Three videos, one of them deeper."""
    for v, name in enumerate(('v10', 'v2', 'class/v1')):
        (root / name).mkdir(parents=True)
        for i in (1, 2, 10):
            path = root / name / f'f_{i}.jpg'
            path.write_bytes(jpeg(smooth(40, 56, 10 * v + i)))
        (root / name / 'notes.txt').write_text('no frame')
    return root


@pytest.mark.parametrize('kind', FORMATS)
def test_same_videos_and_frames(tmp_path: Path, kind: str) -> None:
    folders = FrameFolders(str(write_tree(tmp_path / 'tree')))
    store = pack(tmp_path / 'tree', tmp_path / 'store', kind)
    source = PackedFrames(str(store))
    videos = source.scan()
    assert [v.name for v in videos] == ['class/v1', 'v2', 'v10']
    for video, original in zip(videos, folders.scan(), strict=True):
        assert video.name == original.name
        assert video.frames == original.frames == ('f_1.jpg', 'f_2.jpg', 'f_10.jpg')
        packed, plain = source.fetch(video, [2, 0]), folders.fetch(original, [2, 0])
        assert plain is not None
        assert packed.files == plain.files
        difference = source.read(video, [0, 1]).astype(int)
        difference -= folders.read(original, [0, 1])
        assert np.abs(difference).max() <= 3
        assert source.read(video, [0]).flags.writeable


@pytest.mark.parametrize(
    ('kind', 'context'),
    [
        ('tar', 'fork'),
        ('lmdb', 'fork'),
        pytest.param('lmdb', 'spawn', marks=pytest.mark.slow),
    ],
)
def test_workers(tmp_path: Path, kind: str, context: str) -> None:
    write_tree(tmp_path / 'tree')
    store = pack(tmp_path / 'tree', tmp_path / 'store', kind)
    pipeline: list[Any] = [
        {'type': 'FramesRandomResizedCrop', 'size': 16},
        {'type': 'PackFrames'},
    ]
    source = {'type': 'PackedFrames', 'data_root': str(store)}
    data = FramePairDataset(source, pipeline)
    assert data[0]['inputs'].shape == (2, 3, 16, 16)  # open in this process already
    loader: DataLoader[Any] = DataLoader(
        data, 2, num_workers=2, collate_fn=list, multiprocessing_context=context
    )
    samples = [sample for batch in loader for sample in batch]
    assert len(samples) == 6
    assert data.counts['unreadable'] == 0


def test_shards_of_a_size(tmp_path: Path) -> None:
    tree = tmp_path / 'tree' / 'v'
    tree.mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (700, 700, 3), np.uint8)
    for i in range(6):
        (tree / f'{i}.jpg').write_bytes(jpeg(noise, quality=95))
    store = pack(tmp_path / 'tree', tmp_path / 'store', 'tar', '--shard-size', '1')
    assert len(list(store.glob('*.tar'))) > 2
    (video,) = PackedFrames(str(store)).scan()  # over several archives
    assert video.num_frames == 6
    content = PackedFrames(str(store)).fetch(video, [5]).files[0]
    assert content == (tree / '5.jpg').read_bytes()
    names = []
    for path in sorted(store.iterdir()):
        with tarfile.open(path) as archive:
            names += archive.getnames()
    assert names == [f'v/{i}.jpg' for i in range(6)]


def test_webdataset_reads_the_archives(tmp_path: Path) -> None:
    wds = pytest.importorskip('webdataset')
    store = pack(write_tree(tmp_path / 'tree'), tmp_path / 'store', 'tar')
    (path,) = store.glob('*.tar')
    samples = list(wds.WebDataset(str(path), shardshuffle=False))
    assert len(samples) == 9
    assert samples[0]['__key__'] == 'class/v1/f_1'
    assert samples[0]['jpg'] == (tmp_path / 'tree/class/v1/f_1.jpg').read_bytes()


def test_flat_archive_of_others(tmp_path: Path) -> None:
    path = tmp_path / 'clip.tar'
    with tarfile.open(path, 'w') as archive:
        for name in ('./f2.jpg', './f10.jpg', './f2.json'):
            (tmp_path / 'f').write_bytes(jpeg(smooth(24, 40)))
            archive.add(tmp_path / 'f', name)
    source = PackedFrames(str(path))
    (video,) = source.scan()
    assert (video.name, video.frames) == ('clip', ('f2.jpg', 'f10.jpg'))
    assert source.read(video, [0, 1]).shape == (2, 24, 40, 3)


def store_of(path: Path, kind: str, names: Sequence[str]) -> PackedFrames:
    """A store with a frame under each name, as another program may have named them."""
    frames = {name: jpeg(smooth(24, 40, i)) for i, name in enumerate(names)}
    if kind == 'lmdb':
        lmdb = pytest.importorskip('lmdb')
        with lmdb.open(str(path)) as store, store.begin(write=True) as transaction:
            for name, content in frames.items():
                transaction.put(name.encode(), content)
    else:
        path.mkdir()
        make_tar(path / 'a.tar', frames)
    return PackedFrames(str(path))


@pytest.mark.parametrize('kind', FORMATS)
def test_names_of_other_programs(tmp_path: Path, kind: str) -> None:
    """From the root or from a dot, an entry is what it is in other processes too."""
    names = ['/c/0.jpg', './a/0.jpg', 'a/1.jpg', '/0.jpg']
    source = store_of(tmp_path / 'store', kind, names)
    videos = {video.name: video for video in source.scan()}
    assert set(videos) == {'c', 'a', 'store'}
    assert videos['a'].frames == ('0.jpg', '1.jpg')
    reader = pickle.loads(pickle.dumps(source))
    for name, numbers in (('c', [0]), ('a', [1, 2]), ('store', [3])):
        files = reader.fetch(videos[name], range(len(numbers))).files
        assert list(files) == [jpeg(smooth(24, 40, i)) for i in numbers]
    twice = store_of(tmp_path / 'twice', kind, ['/a/0.jpg', './a/0.jpg'])
    with pytest.raises(ValueError, match=r'two members .*a/0|keys .*a/0.*a/0.* one fr'):
        twice.scan()


@pytest.mark.parametrize('kind', FORMATS)
def test_broken_frame_is_named(tmp_path: Path, kind: str) -> None:
    tree = write_tree(tmp_path / 'tree')
    (tree / 'v2' / 'f_2.jpg').write_bytes(jpeg(smooth(40, 56))[:300])
    source = PackedFrames(str(pack(tree, tmp_path / 'store', kind)))
    video = next(v for v in source.scan() if v.name == 'v2')
    with pytest.raises(UnreadableVideoError, match=r'v2/f_2\.jpg: cannot be decoded'):
        source.read(video, [1])
    gone = type(video)('v2', 1, video.path, ('gone.jpg',))
    with pytest.raises(UnreadableVideoError, match=r'gone\.jpg'):
        source.read(gone, [0])


def test_pickled_source_reads_on(tmp_path: Path) -> None:
    store = pack(write_tree(tmp_path / 'tree'), tmp_path / 'store', 'tar')
    source = PackedFrames(str(store))
    video = source.scan()[0]
    frames = source.read(video, [0])
    again = pickle.loads(pickle.dumps(source))
    assert np.array_equal(again.read(video, [0]), frames)


def test_what_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'neither a \.tar file'):
        PackedFrames(str(tmp_path)).scan()
    (tmp_path / 'a.tar').write_bytes(b'no archive' * 100)
    with pytest.raises(ValueError, match=r'a\.tar is no uncompressed tar'):
        PackedFrames(str(tmp_path)).scan()
    with tarfile.open(tmp_path / 'a.tar', 'w') as archive:
        archive.add(__file__, 'v/test.py')
    with pytest.raises(ValueError, match='holds no entry ending in'):
        PackedFrames(str(tmp_path)).scan()
    (tmp_path / 'b.tar').write_bytes((tmp_path / 'a.tar').read_bytes())
    with pytest.raises(ValueError, match=r"two members .* 'v/test\.py'"):
        PackedFrames(str(tmp_path)).scan()


def test_tool_overwrites_nothing(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / 'tree')
    store = pack(tree, tmp_path / 'store', 'tar')
    with pytest.raises(SystemExit, match='exists already'):
        pack(tree, store, 'tar')
    with pytest.raises(SystemExit, match='is not a folder'):
        pack(tmp_path / 'nothing', tmp_path / 'other', 'tar')
    with pytest.raises(SystemExit, match='left from a run that was stopped'):
        pack(tree, tmp_path / 'other', 'tar')
    with pytest.raises(SystemExit, match='at least 1 MiB'):
        pack(tree, tmp_path / 'more', 'tar', '--shard-size', '0')


def test_real_frames(tmp_path: Path) -> None:
    root = real_data('ytvos', 'train', 'JPEGImages')
    source = PackedFrames(str(pack(root, tmp_path / 'store', 'tar')))
    videos, folders = source.scan(), FrameFolders(str(root)).scan()
    assert [v.name for v in videos] == [v.name for v in folders]
    assert sum(v.num_frames for v in videos) == 652
    assert [v.frames for v in videos] == [v.frames for v in folders]
