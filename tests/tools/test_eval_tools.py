"""The tools that score folders of predictions, on drawn trees and official figures."""

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.datasets.conftest import messages
from tests.datasets.trees import (
    make_davis,
    make_jhmdb,
    make_vip,
    moving_squares,
    video_of,
)
from tests.evaluation.test_jf import MASKS, OFFICIAL
from tests.real_data import real_data
from videomac.datasets import BrokenTreeError, DAVISDataset, JHMDBDataset
from videomac.datasets.label_maps import object_palette, write_label_map
from videomac.evaluation import PredictionWriter

__all__ = ['messages']  # a fixture

TOOLS = Path(__file__).resolve().parents[2] / 'tools' / 'analysis_tools'
SQUARES = moving_squares(5)
Main = Callable[[list[str]], None]


def tool(name: str) -> Main:
    """``main`` of a tool."""
    spec = importlib.util.spec_from_file_location(name, TOOLS / f'{name}.py')
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    main: Main = module.main
    return main


def write_masks(folder: Path, masks: list[NDArray[np.uint8]]) -> None:
    """Write the masks of a video."""
    folder.mkdir(parents=True)
    for t, ids in enumerate(masks):
        write_label_map(folder / f'{t:05d}.png', ids)


@pytest.fixture
def mini(tmp_path: Path) -> tuple[Path, Path]:
    """Predictions and tree of the drawn videos with official scores."""
    names = ('alpha', 'bravo', 'charlie')
    root = make_davis(tmp_path / 'DAVIS', {n: MASKS[f'truth/{n}'] for n in names})
    for name in names:
        write_masks(tmp_path / 'pred' / name, list(MASKS[f'shift/{name}']))
    return tmp_path / 'pred', root


@pytest.mark.parametrize('workers', ['1', '2'])
def test_official_scores(
    mini: tuple[Path, Path], workers: str, capsys: pytest.CaptureFixture[str]
) -> None:
    predictions, root = mini
    # Old tables must not be read, nor other files disturb.
    (predictions / 'global_results-val.csv').write_text('J&F-Mean\n0.999\n')
    (predictions / 'alpha' / 'preview_blend.jpg').write_bytes(b'')
    tool('eval_davis')([str(predictions), str(root), '--workers', workers])
    out, err = capsys.readouterr()
    assert '0.588' in out
    assert 'charlie_2' in out
    assert '3/3' in err, 'progress'
    details = json.loads((predictions / 'davis.json').read_text())
    assert details['global'] == pytest.approx(OFFICIAL['shift']['global'], abs=1e-9)
    text = (predictions / 'global_results-val.csv').read_text()
    assert text.splitlines()[1].startswith('0.588,')


def test_first_and_last_frame_are_not_needed(
    mini: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    predictions, root = mini
    (predictions / 'alpha/00000.png').unlink()
    (predictions / 'alpha/00011.png').unlink()
    tool('eval_davis')([str(predictions), str(root), '--no-tables'])
    assert '0.588' in capsys.readouterr().out
    assert not list(predictions.glob('*.csv'))
    with pytest.raises(SystemExit, match=r'2 problems(.|\n)*alpha/00000\.png is missing'):
        tool('eval_davis')([str(predictions), str(root), '--all-frames'])


def test_annotations_alone_are_enough(
    mini: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    predictions, root = mini
    tool('eval_davis')([str(predictions), str(root), '--no-tables'])
    want = capsys.readouterr().out
    shutil.rmtree(root / 'JPEGImages')
    tool('eval_davis')([str(predictions), str(root), '--no-tables'])
    assert capsys.readouterr().out == want
    with pytest.raises(BrokenTreeError, match=r'has no frames in .*JPEGImages'):
        DAVISDataset(root)


def test_missing_and_wrong_predictions_are_listed(mini: tuple[Path, Path]) -> None:
    predictions, root = mini
    for path in (predictions / 'bravo').iterdir():
        path.unlink()
    (predictions / 'bravo').rmdir()
    (predictions / 'charlie/00004.png').unlink()
    write_label_map(predictions / 'alpha/00003.png', np.zeros((60, 100), np.uint8))
    with pytest.raises(SystemExit) as info:
        tool('eval_davis')([str(predictions), str(root)])
    for report in (
        'eval_davis.py: the predictions in',
        '3 problems',
        "video 'bravo' has no folder",
        'charlie/00004.png is missing',
        'alpha/00003.png is 100x60',
        'is 200x120',
    ):
        assert report in str(info.value)


def test_colour_pictures_are_converted_or_refused(
    mini: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    predictions, root = mini
    path = predictions / 'alpha/00003.png'
    Image.fromarray(object_palette()[MASKS['shift/alpha'][3]]).save(path)
    tool('eval_davis')([str(predictions), str(root), '--no-tables'])
    assert '0.588' in capsys.readouterr().out
    Image.fromarray(np.full((120, 200, 3), 77, np.uint8)).save(path)
    with pytest.raises(SystemExit, match=r'alpha/00003.png: is a colour picture'):
        tool('eval_davis')([str(predictions), str(root), '--no-tables'])


def test_ids_beyond_the_objects_are_refused(mini: tuple[Path, Path]) -> None:
    predictions, root = mini
    write_label_map(predictions / 'bravo/00002.png', np.full((120, 200), 4, np.uint8))
    with pytest.raises(SystemExit, match=r"'bravo': frame 2 .* id 4, .* 1 objects"):
        tool('eval_davis')([str(predictions), str(root), '--no-tables'])


def test_davis_2016_merges_the_objects(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_davis(tmp_path / 'DAVIS', {'goat': SQUARES}, year=2016)
    swapped = [np.array([0, 2, 1], np.uint8)[ids] for ids in SQUARES]
    write_masks(tmp_path / 'pred/goat', swapped)
    tool('eval_davis')([str(tmp_path / 'pred'), str(root), '--year', '2016'])
    out = capsys.readouterr().out
    assert out.splitlines()[1].split()[0] == '1.000'
    assert 'goat_1' in out
    assert 'goat_2' not in out


def test_osvos(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    root = real_data('davis2017')
    arguments = [str(root / 'osvos_predictions'), str(root), '--out-dir', str(tmp_path)]
    tool('eval_davis')(arguments)
    out = capsys.readouterr().out
    J = np.mean([0.943020, 0.859459, 0.928402, 0.710792])
    F = np.mean([0.974096, 0.890534, 0.917407, 0.691109])
    details = json.loads((tmp_path / 'davis.json').read_text())
    assert details['global']['J-Mean'] == pytest.approx(J, abs=1e-6)
    assert details['global']['F-Mean'] == pytest.approx(F, abs=1e-6)
    assert f'{(J + F) / 2:.3f}' in out


def test_vip(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    videos = {'videos1': SQUARES, 'videos2': moving_squares(3, objects=3)}
    root = make_vip(tmp_path / 'VIP', videos, instances=True)
    for name, maps in videos.items():
        write_masks(tmp_path / 'pred' / name, maps)
        for t, path in enumerate(sorted((tmp_path / 'pred' / name).iterdir())):
            path.rename(path.with_name(f'{1 + 25 * t:012d}.png'))
    predictions = str(tmp_path / 'pred')
    tool('eval_vip')([predictions, str(root)])
    assert capsys.readouterr().out.count('100.00') == 6, 'four classes and two means'
    tool('eval_vip')([predictions, str(root), '--labels', 'instance', '--no-tables'])
    assert '100.000' in capsys.readouterr().out
    (tmp_path / 'pred/videos2/000000000001.png').unlink()
    with pytest.raises(SystemExit, match=r'eval_vip\.py: (.|\n)*001\.png is missing'):
        tool('eval_vip')([predictions, str(root)])
    tool('eval_vip')([predictions, str(root), '--skip-first', '--no-tables'])


def test_jhmdb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    videos = {
        'run/a': rng.uniform(0, 60, (4, 15, 2)),
        'run/b': rng.uniform(0, 60, (3, 15, 2)),
    }
    root = make_jhmdb(tmp_path / 'JHMDB', videos)
    dataset = JHMDBDataset(root)
    writer = PredictionWriter(tmp_path / 'pred')
    visible = np.ones((4, 15), bool)
    writer.write(video_of(dataset), {'points': videos['run/a'], 'visible': visible})
    arguments = [str(tmp_path / 'pred'), str(root)]
    with pytest.raises(SystemExit, match=r'1 of 2 videos have no poses\.npz .*run/b'):
        tool('eval_jhmdb')(arguments)
    far = {'points': videos['run/b'] + 1000, 'visible': visible[:3]}
    writer.write(video_of(dataset, 1), far)
    tool('eval_jhmdb')(arguments)
    # Three frames of one video count and are right, two of the other are wrong.
    assert capsys.readouterr().out.splitlines()[-3].split() == ['mean', *['60.00'] * 5]
    with pytest.raises(SystemExit, match='there is no folder'):
        tool('eval_jhmdb')([str(tmp_path / 'nothing'), str(root)])


def test_upper_bound_of_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], messages: list[str]
) -> None:
    # Squares on the cells of stride 8 survive its grid; at stride 32 they cannot.
    ids = np.zeros((480, 640), np.uint8)
    ids[96:192, 128:256], ids[304:368, 400:440] = 1, 2
    root = make_davis(tmp_path, {'goat': [ids] * 3, 'fly': [ids] * 2})
    tool('label_upper_bound')([str(root), '--strides', '8', '32'])
    (said,) = [message for message in messages if 'no frame between' in message]
    assert 'fly' in said, 'which is too short, at any stride'
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == ['stride', 'J', 'F', 'J&F']
    eight, thirty_two = (float(row[3]) for row in rows[1:])
    assert eight > 97
    assert thirty_two < 90


def test_upper_bound_follows_dinos_steps() -> None:
    """Against the steps of the protocol with Pillow and OpenCV."""
    import cv2

    from videomac.models.propagation import PropagationSettings

    spec = importlib.util.spec_from_file_location('b', TOOLS / 'label_upper_bound.py')
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 3, (12, 16)).astype(np.uint8)
    ids = cv2.resize(coarse, (180, 150), interpolation=cv2.INTER_NEAREST)
    size, stride = (128, 192), 8
    found = module.through_grid(ids, 2, stride, size, PropagationSettings.preset('dino'))
    cells = (size[1] // stride, size[0] // stride)
    grid = np.asarray(Image.fromarray(ids).resize(cells, Image.Resampling.NEAREST))
    maps = []
    for k in range(3):
        one = cv2.resize((grid == k).astype(np.float32), size[::-1])
        maps.append((one - one.min()) / (one.max() - one.min()))
    decided = np.argmax(maps, axis=0).astype(np.uint8)
    expected = Image.fromarray(decided).resize((180, 150), Image.Resampling.NEAREST)
    # Where two maps tie, the last bit of the interpolation decides.
    assert (found == np.asarray(expected)).mean() > 0.995
