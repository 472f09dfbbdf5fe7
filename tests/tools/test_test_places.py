"""tools/test.py replaces nothing that it did not make, and knows what it made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config

from tests.datasets.trees import (
    make_davis,
    make_jhmdb,
    make_youtube_vos,
    moving_squares,
)
from tests.tools.colour_runs import (
    _network,
    davis,
    predictions,
    run,
    write_config,
)
from videomac.engine.propagation_loop import PropagationLoop
from videomac.utils import configs_root

__all__ = ['_network', 'davis']  # fixtures


def files(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob('*') if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.parametrize('option', ['--show-dir', '--out'])
def test_frames_of_the_data_set_stay(davis: Path, tmp_path: Path, option: str) -> None:
    root = tmp_path / 'DAVIS'
    before = files(root)
    for folder in (root / 'JPEGImages/480p', tmp_path / 'link'):
        if folder.name == 'link':
            folder.symlink_to(root / 'JPEGImages/480p')
        with pytest.raises(SystemExit, match=r'test\.py: .*(in the data set|place of)'):
            run(davis, tmp_path / 'run', option, folder)
        assert files(root) == before
    assert not (tmp_path / 'run/predictions').exists(), 'nothing was propagated'


def jhmdb(tmp_path: Path) -> tuple[Path, Path]:
    """Root and config of a data set whose frames are PNGs in folders of actions."""
    joints = np.random.default_rng(0).uniform(4, 44, (3, 15, 2))
    root = make_jhmdb(tmp_path / 'JHMDB', {'run/a': joints, 'sit/b': joints})
    return root, write_config(tmp_path / 'joints.py', 'jhmdb', root, {})


@pytest.mark.parametrize('place', ['Rename_Images', 'joint_positions'])
@pytest.mark.parametrize('noted', [False, True])
def test_frames_that_look_like_predictions_stay(
    tmp_path: Path, place: str, noted: bool
) -> None:
    """Also where an earlier run wrote, and of videos that are not asked for."""
    root, config = jhmdb(tmp_path)
    if noted:
        (root / place / 'run.json').write_text('{}')
    before = files(root)
    options = ('--out', root / place, '--no-resume')
    some = ('--cfg-options', 'test_dataloader.dataset.videos=sit/b')
    for only in ((), some):
        with pytest.raises(SystemExit, match=r'place of the predictions .*run/a'):
            run(config, tmp_path / 'run', *options, *only)
    assert files(root) == before


def test_annotations_stay(davis: Path, tmp_path: Path) -> None:
    """Masks by their names and kind, and even beside a note of a run."""
    place = tmp_path / 'DAVIS/Annotations/480p'
    (place / 'run.json').write_text('{}')
    before = files(tmp_path / 'DAVIS')
    for options in ((), ('--no-resume',)):
        with pytest.raises(SystemExit, match='frames or labels in the data set'):
            run(davis, tmp_path / 'run', '--out', place, *options)
    assert files(tmp_path / 'DAVIS') == before


def test_predictions_may_lie_beside_the_data(tmp_path: Path) -> None:
    root, config = jhmdb(tmp_path)
    before = files(root)
    run(config, tmp_path / 'run', '--out', root)
    after = files(root)
    assert {name: after[name] for name in before} == before
    added = {'run.json', 'run/a/poses.npz', 'sit/b/poses.npz'}
    assert after.keys() - before.keys() == added


def test_a_new_start_leaves_other_files_of_all_videos(
    davis: Path, tmp_path: Path
) -> None:
    run(davis, tmp_path / 'run')
    notes = tmp_path / 'run/predictions/cow/my_notes.txt'
    notes.write_text('mine')
    only = ('test_dataloader.dataset.videos=dog', 'model.topk=1')
    run(davis, tmp_path / 'run', '--no-resume', '--cfg-options', *only)
    left = files(tmp_path / 'run/predictions')
    dog = {f'dog/{t:05d}.png' for t in range(3)}
    assert left.keys() == {'run.json', 'cow/my_notes.txt', *dog}


def test_predictions_and_pictures_do_not_mix(davis: Path, tmp_path: Path) -> None:
    run(davis, tmp_path / 'run')
    out = tmp_path / 'run' / 'predictions'
    before = files(out)
    for options in (('--show-dir', out), ('--out', out, '--show-dir', f'{out}/.')):
        with pytest.raises(SystemExit, match='is the folder of the predictions'):
            run(davis, tmp_path / 'run', *options)
    with pytest.raises(SystemExit, match='in the place of the pictures'):
        run(davis, tmp_path / 'other', '--show-dir', out)
    assert files(out) == before
    show = tmp_path / 'show'
    run(davis, tmp_path / 'run', '--show-dir', show)
    shown = files(show)
    with pytest.raises(SystemExit, match=r'the place of the predictions .*jpg'):
        run(davis, tmp_path / 'other', '--out', show)
    assert files(show) == shown


def test_pictures_that_are_there_stay(tmp_path: Path) -> None:
    """Of YouTube-VOS all frames are drawn, and the masks of some are kept."""
    squares = {'0274193026': moving_squares(4)}
    root = make_youtube_vos(tmp_path / 'valid', squares, {'0274193026': 1})
    shipped = configs_root() / 'propagation/ytvos/videomac_convnextv2-small_s8_ytvos.py'
    cfg = Config.fromfile(shipped)
    cfg.custom_imports = dict(imports=['colours'])
    cfg.model.backbone.network = dict(type='Colours')
    cfg.test_dataloader.dataset.update(data_root=str(root), size=64, multiple=32)
    cfg.dump(tmp_path / 'c.py')
    only = ('--cfg-options', 'test_dataloader.dataset.videos=0274193026')
    show = tmp_path / 'show'
    run(tmp_path / 'c.py', tmp_path / 'run', '--show-dir', show, *only)
    shown = files(show)
    assert len([name for name in shown if name.startswith('0274193026/')]) == 4
    run(tmp_path / 'c.py', tmp_path / 'run', '--show-dir', show)
    assert files(show) == shown
    # Pictures of another run are painted over, with what is kept.
    other = ('--show-dir', show, '--cfg-options', 'randomness.seed=3')
    run(tmp_path / 'c.py', tmp_path / 'other', *other, 'model.topk=1')
    changed = files(show)
    assert changed.keys() == shown.keys()
    assert changed['0274193026/00015.jpg'] != shown['0274193026/00015.jpg']
    run(tmp_path / 'c.py', tmp_path / 'run', '--show-dir', show)
    again = files(show)
    assert again['0274193026/00015.jpg'] == shown['0274193026/00015.jpg']


@pytest.mark.parametrize('share', [0, 0.5])
def test_broken_predictions_are_made_again(
    davis: Path, tmp_path: Path, share: float, capsys: pytest.CaptureFixture[str]
) -> None:
    results = run(davis, tmp_path / 'run')
    whole = predictions(tmp_path / 'run')
    path = tmp_path / 'run/predictions/cow/00002.png'
    path.write_bytes(
        whole['predictions/cow/00002.png'][: int(share * path.stat().st_size)]
    )
    capsys.readouterr()
    assert run(davis, tmp_path / 'run') == results
    out = capsys.readouterr().out
    assert '3 of 4 videos are there' in out
    assert "predictions of video 'cow' do not count" in out
    assert predictions(tmp_path / 'run') == whole


def test_errors_while_it_runs(
    davis: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line where the text was written for people; else the traceback."""

    def fail(error: Exception) -> None:
        def end(self: PropagationLoop) -> dict[str, float]:
            raise error

        monkeypatch.setattr(PropagationLoop, 'run', end)

    fail(OSError('no space is left'))
    with pytest.raises(SystemExit, match=r'^test\.py: no space is left$'):
        run(davis, tmp_path / 'run')
    fail(IndexError('a mistake in code'))
    with pytest.raises(IndexError):
        run(davis, tmp_path / 'run')


def test_the_config_is_not_overwritten(davis: Path, tmp_path: Path) -> None:
    before = davis.read_bytes()
    run(davis, tmp_path)
    assert davis.read_bytes() == before
    kept = Config.fromfile(tmp_path / 'tiny_resolved.py')
    assert kept.model.backbone.network.type == 'Colours'
    run(davis, tmp_path / 'run')
    assert (tmp_path / 'run/tiny.py').is_file()
    assert not (tmp_path / 'run/tiny_resolved.py').exists()


def test_options_of_names_and_paths(tmp_path: Path) -> None:
    """Names of digits alone, as YouTube-VOS has them, and folders with blanks."""
    root = make_davis(tmp_path / 'my data, all', {'0274193026': moving_squares(3)})
    config = write_config(tmp_path / 'c.py', 'davis2017', tmp_path / 'nowhere', {})
    place = 'test_dataloader.dataset'
    options = (f'{place}.data_root={root}', f'{place}.videos=0274193026')
    run(config, tmp_path / 'run', '--cfg-options', *options)
    assert (tmp_path / 'run/predictions/0274193026/00002.png').is_file()


@pytest.mark.parametrize(
    'option',
    [
        'test_evaluator.all_frames=no',
        'test_evaluator.bound=2.5',
        'model.min_max=no',
        'model.topk=5.5',
        'model.previous=1.5',
        'model.backbone.l2=no',
    ],
)
def test_wrong_values_end_before_anything_is_computed(
    davis: Path, tmp_path: Path, option: str
) -> None:
    place, _, value = option.partition('=')
    name = place.rpartition('.')[2]
    with pytest.raises(SystemExit, match=rf'{name} must be .*got .?{value}'):
        run(davis, tmp_path / 'run', '--cfg-options', option)
    assert not (tmp_path / 'run/predictions').exists()
