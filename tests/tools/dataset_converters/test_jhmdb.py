"""JHMDB: all 268 clips of the first test split."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from tests.datasets.preparation.sources import make_tar, make_zip, picture
from tests.real_data import real_data
from tests.tools.dataset_converters.common import build_dataset, converter, offences
from videomac.datasets.preparation.official import jhmdb_videos

jhmdb = converter('jhmdb')
FRAMES = 3


def joints(frames: int) -> bytes:
    savemat = pytest.importorskip('scipy.io').savemat
    buffer = io.BytesIO()
    points = np.arange(2 * 15 * frames, dtype=float).reshape(2, 15, frames)
    savemat(buffer, {'pos_img': points + 1})
    return buffer.getvalue()


@pytest.fixture(scope='module')
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Convert the archives as published, one for each kind of file."""
    folder = tmp_path_factory.mktemp('jhmdb')
    frame, points = picture('PNG', 1), joints(FRAMES)
    clips = jhmdb_videos()
    images = {
        f'Rename_Images/{name}/{t:05d}.png': frame
        for name in (*clips, 'walk/a_clip_of_train')
        for t in range(1, FRAMES + 1)
    }
    mats = {f'joint_positions/{name}/joint_positions.mat': points for name in clips}
    sources = [
        make_tar(folder / 'Rename_Images.tar.gz', images),
        make_zip(folder / 'joint_positions.zip', mats | {'joint_positions/x.m': b''}),
        make_zip(folder / 'splits.zip', {'splits/walk_test_split1.txt': b'x.avi 1'}),
    ]
    out = folder / 'out'
    jhmdb.main([*map(str, sources), '--out', str(out), '--processes', '2'])
    return out


def test_the_whole_split_passes(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jhmdb.main(['--check', '--out', str(tree)])
    out = capsys.readouterr().out
    assert f'268 clips, {268 * FRAMES} frames' in out
    assert (tree / 'splits' / 'walk_test_split1.txt').is_file()


def test_the_data_set_of_the_config_loads(tree: Path) -> None:
    config = 'propagation/jhmdb/videomac_resnet50_s8_jhmdb.py'
    dataset = build_dataset(config, 'test', tree, check=False)
    assert dataset.metainfo['videos'] == list(jhmdb_videos())
    points = dataset[0]['inputs'].meta['points']
    assert points.shape == (FRAMES, 15, 2)
    assert points[2, 1].tolist() == [5.0, 50.0]  # pos_img[:, 1, 2] - 1


def test_every_damage_is_told(tree: Path) -> None:
    first, second, third = (tree / 'Rename_Images' / n for n in jhmdb_videos()[:3])
    moved = first.rename(tree / 'elsewhere')
    (second / '00004.png').write_bytes(picture('PNG', 1))
    mat = tree / 'joint_positions' / jhmdb_videos()[2] / 'joint_positions.mat'
    content = mat.read_bytes()
    mat.write_bytes(content[:100])
    try:
        found = offences(jhmdb, tree)
    finally:
        moved.rename(first)
        (second / '00004.png').unlink()
        mat.write_bytes(content)
    assert found[0] == f"missing clip in '{tree}/Rename_Images': {jhmdb_videos()[0]}"
    text = '\n'.join(found)
    assert f'{mat} cannot be read' in text
    assert f'{mat} has 100 bytes' in text
    assert f'{second}/00004.png is not in the manifest' in text
    assert str(third) not in text


def test_more_frames_than_joints_are_told(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    extra = tree / 'Rename_Images' / jhmdb_videos()[5] / '00004.png'
    extra.write_bytes(picture('PNG', 1))
    try:
        for name in ('manifest.json', 'manifest_files.jsonl.gz'):
            (tree / name).rename(tmp_path / name)
        jhmdb.main(['--check', '--out', str(tree)])
    finally:
        extra.unlink()
        for name in ('manifest.json', 'manifest_files.jsonl.gz'):
            (tmp_path / name).rename(tree / name)
    assert '268 clips, 1 with another number of joints' in capsys.readouterr().out


def test_the_real_clip_is_known() -> None:
    root = real_data('jhmdb')
    found = offences(jhmdb, root)
    missing = [text for text in found if text.startswith('missing clip in')]
    clips = sorted(p.parent.name + '/' + p.name for p in root.glob('Rename_Images/*/*'))
    in_split = [name for name in clips if name in jhmdb_videos()]
    assert len(missing) == 268 - len(in_split)
