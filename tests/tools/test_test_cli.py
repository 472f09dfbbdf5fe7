"""tools/test.py from end to end, on drawn trees and with a small network."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image

from tests.datasets.trees import (
    make_davis,
    make_jhmdb,
    make_vip,
    make_youtube_vos,
    moving_squares,
)
from tests.tools.colour_runs import (
    BASES,
    TEST,
    _network,
    davis,
    predictions,
    run,
    start,
    test,
    write_config,
)
from videomac.datasets import DAVISDataset
from videomac.datasets.watched_loader import LOADER_TIMEOUT
from videomac.evaluation import JAndFMetric
from videomac.evaluation.offline import MaskReader, score_predictions
from videomac.models.propagation import PropagationSettings
from videomac.utils import configs_root, tools_root

__all__ = ['_network', 'davis']  # fixtures


def drawn_config(tmp_path: Path, benchmark: str) -> Path:
    """A config of a benchmark and its drawn tree."""
    squares = {'videos1': moving_squares(4), 'videos2': moving_squares(3, objects=1)}
    rng = np.random.default_rng(0)
    joints = {name: rng.uniform(4, 44, (4, 15, 2)) for name in ('run/a', 'sit/b')}
    root, path = tmp_path / 'data', tmp_path / f'{benchmark}.py'
    if benchmark == 'davis2017':
        return write_config(path, benchmark, make_davis(root, squares), {})
    if benchmark == 'davis2016':
        make_davis(root, squares, year=2016)
        return write_config(path, 'davis2017', root, {'year': 2016})
    if benchmark == 'jhmdb':
        return write_config(path, benchmark, make_jhmdb(root, joints), {})
    make_vip(root, squares, instances=True)
    if benchmark == 'vip':
        return write_config(path, 'vip', root, {})
    evaluator = "test_evaluator = dict(type='VIPInstanceAP')\n"
    return write_config(path, 'vip', root, {'labels': 'instance'}, evaluator)


@pytest.mark.parametrize(
    ('benchmark', 'metric', 'tables'),
    [
        ('davis2017', 'DAVIS/J&F-Mean', ['global_results-val.csv', 'davis.json']),
        ('davis2016', 'DAVIS/J-Mean', ['per-sequence_results-val.csv', 'davis.json']),
        ('vip', 'VIP/mIoU', ['vip.json', 'vip_per-sequence.csv', 'vip_per-class.csv']),
        (
            *('vip-instances', 'VIP-instances/AP_vol'),
            [f'vip-instances{end}' for end in ('.json', '_per-sequence.csv')],
        ),
        ('jhmdb', 'JHMDB/PCK@0.5', ['jhmdb.json', 'jhmdb_per-sequence.csv']),
    ],
)
def test_results_are_those_of_mmengines_runner(
    benchmark: str, metric: str, tables: list[str], tmp_path: Path
) -> None:
    """Mmengine's test loop keeps all in memory and knows nothing of our files."""
    config = drawn_config(tmp_path, benchmark)
    results = run(config, tmp_path / 'ours')
    assert results[metric] > 0
    for name in tables:
        assert (tmp_path / 'ours' / name).stat().st_size > 0, name
    cfg = Config.fromfile(config)
    cfg.work_dir = str(tmp_path / 'runner')
    expected = Runner.from_cfg(cfg).test()
    assert results == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_masks_on_disk_have_the_scores(davis: Path, tmp_path: Path) -> None:
    """Palette PNGs that the tool for folders scores alike."""
    results = run(davis, tmp_path / 'run')
    folder = tmp_path / 'run' / 'predictions'
    dataset = DAVISDataset(tmp_path / 'DAVIS')
    reader = MaskReader(folder)
    metric = JAndFMetric()
    scores = metric.summarise(score_predictions(dataset, metric, reader))
    assert results == {f'DAVIS/{name}': value for name, value in scores.items()}
    with Image.open(folder / 'dog' / '00002.png') as image:
        assert (image.mode, image.size) == ('P', (64, 48))


def test_killed_run_goes_on(
    davis: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = run(davis, tmp_path / 'whole')
    assert capsys.readouterr().out.count('a frame\n') == 3 + 4 + 5 + 6
    killed = tmp_path / 'killed'
    command = (sys.executable, '-W', 'ignore', TEST, davis, 'none', '--work-dir', killed)
    process = start(*command, folder=tmp_path, SECONDS_A_FRAME='0.4')
    limit = time.monotonic() + 120
    while not (killed / 'predictions' / 'dog').is_dir():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < limit
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (killed / 'predictions' / 'bee').exists(), 'it was killed too late'
    assert not (killed / 'davis.json').exists()
    there = {p.name for p in (killed / 'predictions').iterdir() if p.is_dir()}
    lengths = {'dog': 3, 'ant': 4, 'cow': 5, 'bee': 6}
    left = sum(length for name, length in lengths.items() if name not in there)

    assert run(davis, killed) == expected
    out = capsys.readouterr().out
    assert f'{len(there & lengths.keys())} of 4 videos are there' in out
    assert out.count('a frame\n') == left
    assert predictions(killed) == predictions(tmp_path / 'whole')


def test_two_processes_are_one(davis: Path, tmp_path: Path) -> None:
    """By the launcher, from any folder; the parts differ in frames."""
    run(davis, tmp_path / 'one')
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = str(probe.getsockname()[1])
    script, two = tools_root() / 'dist_test.sh', tmp_path / 'two'
    show = ('--show-dir', tmp_path / 'show')
    process = start(
        *(script, davis, 'none', 2, '--work-dir', two, *show),
        folder=tmp_path,
        PYTHON=sys.executable,
        PORT=port,
        CUDA_VISIBLE_DEVICES='',
    )
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0, out
    assert '2 processes' in out
    assert 'frame 6/6 (9/9 in all)' in out, 'the first has bee and dog'
    assert predictions(two) == predictions(tmp_path / 'one')
    assert len(list(two.glob('*.log'))) == 1
    assert (tmp_path / 'show' / 'sheet.jpg').is_file()
    assert len(list((tmp_path / 'show').glob('*.mp4'))) + len(
        list((tmp_path / 'show').glob('*.gif'))
    ) == len(('dog', 'ant', 'cow', 'bee'))


def test_predictions_of_another_run_are_not_mixed_in(davis: Path, tmp_path: Path) -> None:
    work_dir = tmp_path / 'run'
    first = run(davis, work_dir)
    with pytest.raises(SystemExit, match=r'model\.topk: 5 there, 1 now.*--no-resume'):
        run(davis, work_dir, '--cfg-options', 'model.topk=1')
    with pytest.raises(SystemExit, match=r'checkpoint: .none, seed 0. there'):
        run(davis, work_dir, '--cfg-options', 'randomness.seed=1')
    # Scores with other rules need no new predictions.
    counted = run(davis, work_dir, '--cfg-options', 'test_evaluator.all_frames=True')
    assert counted['DAVIS/J-Mean'] > first['DAVIS/J-Mean'], 'the first frame is right'
    other = run(davis, work_dir, '--no-resume', '--cfg-options', 'model.topk=1')
    assert other != first
    alone = run(davis, tmp_path / 'alone', '--cfg-options', 'model.topk=1')
    assert other == alone


def test_no_resume_removes_only_what_it_wrote(davis: Path, tmp_path: Path) -> None:
    """Predictions in the work dir itself, beside logs and files of other origin."""
    mine = tmp_path / 'mine'
    (mine / 'dog').mkdir(parents=True)
    (mine / 'thesis.txt').write_text('years of work')
    (mine / 'dog' / 'photo.png').write_bytes(b'a dog')
    here = ('--no-resume', '--out', mine)
    with pytest.raises(SystemExit, match=r'unknown run: .*photo.png.*--work-dir DIR$'):
        run(davis, mine, *here)
    (mine / 'dog' / 'photo.png').rename(mine / 'photo.png')
    first = run(davis, mine, *here)
    (mine / 'epoch_1.pth').write_bytes(b'weights')
    before = {path.name for path in mine.iterdir()}
    assert 'tiny.py' in before
    only = ('test_dataloader.dataset.videos=dog', 'model.topk=1')
    run(davis, mine, *here, '--cfg-options', *only)
    after = {path.name for path in mine.iterdir()}
    assert before - after == {'ant', 'bee', 'cow'}, 'videos that are not asked for too'
    assert any(mine.glob('*.log'))
    assert (mine / 'photo.png').read_bytes() == b'a dog'
    assert run(davis, mine, *here) == first


@pytest.mark.parametrize(
    ('benchmark', 'tree'),
    [
        ('davis2017', 'JPEGImages/480p/<video>/00000.jpg'),
        ('vip', 'lists/val_videos.txt'),
        ('jhmdb', 'joint_positions/<action>/<video>/joint_positions.mat'),
    ],
)
def test_missing_data_says_what_it_should_look_like(
    benchmark: str, tree: str, tmp_path: Path
) -> None:
    config = write_config(tmp_path / 'c.py', benchmark, tmp_path / 'nowhere', {})
    with pytest.raises(SystemExit) as info:
        run(config, tmp_path / 'run')
    for part in ('nowhere', tree, 'test_dataloader.dataset.data_root='):
        assert part in str(info.value)


def test_broken_tree_and_unknown_video(davis: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r'not in the list of .*first: cat'):
        run(
            davis, tmp_path / 'run', '--cfg-options', 'test_dataloader.dataset.videos=cat'
        )
    (tmp_path / 'DAVIS/JPEGImages/480p/ant/00001.jpg').unlink()
    with pytest.raises(SystemExit, match=r'1 problem|2 problems'):
        run(davis, tmp_path / 'run')


def test_videos_and_pictures(davis: Path, tmp_path: Path) -> None:
    """Some videos now, the others later; pictures of all of them."""
    only = ('--cfg-options', 'test_dataloader.dataset.videos=dog')
    run(davis, tmp_path / 'run', *only)
    folder = tmp_path / 'run' / 'predictions'
    assert [path.name for path in folder.iterdir() if path.is_dir()] == ['dog']
    run(davis, tmp_path / 'run', '--show-dir', tmp_path / 'show')
    for name, length in {'dog': 3, 'ant': 4, 'cow': 5, 'bee': 6}.items():
        assert len(list((tmp_path / 'show' / name).glob('*.jpg'))) == length
    assert cv2.imread(str(tmp_path / 'show' / 'sheet.jpg')) is not None


def test_youtube_vos_writes_what_the_server_asks_for(tmp_path: Path) -> None:
    root = make_youtube_vos(tmp_path / 'valid', {'a': moving_squares(4)}, {'a': 1})
    path = tmp_path / 'c.py'
    shipped = configs_root() / 'propagation/ytvos/videomac_convnextv2-small_s8_ytvos.py'
    cfg = Config.fromfile(shipped)
    cfg.custom_imports = dict(imports=['colours'])
    cfg.model.backbone.network = dict(type='Colours')
    cfg.test_dataloader.dataset.update(data_root=str(root), size=64, multiple=32)
    cfg.dump(path)
    out = tmp_path / 'Annotations'
    show = tmp_path / 'show'
    assert run(path, tmp_path / 'run', '--out', out, '--show-dir', show) == {}
    names = ['00005.png', '00010.png', '00015.png']
    assert sorted(path.name for path in (out / 'a').iterdir()) == names
    assert (show / 'sheet.jpg').is_file()


def test_test_split_of_davis_is_written_only(tmp_path: Path) -> None:
    videos = {'goat': moving_squares(3)}
    root = make_davis(tmp_path / 'DAVIS', videos, split='test-dev')
    config = write_config(tmp_path / 'c.py', 'davis2017', root, {'split': 'test-dev'})
    for name in ('00001', '00002'):
        (root / f'Annotations/480p/goat/{name}.png').unlink()
    with pytest.raises(SystemExit, match=r"'goat': it has no .*test_evaluator=None"):
        run(config, tmp_path / 'run')
    assert not (tmp_path / 'run' / 'predictions').exists(), 'nothing was propagated'
    no_metric = ('--cfg-options', 'test_evaluator=None')
    assert run(config, tmp_path / 'run', *no_metric) == {}
    assert len(predictions(tmp_path / 'run')) == 3 + len(['run.json'])


def merged(*options: str) -> Config:
    """The config of DAVIS-2017 with options of the command line."""
    args: Namespace = test.build_parser().parse_args(['x.py', '--cfg-options', *options])
    result: Config = test.merge_args(Config.fromfile(BASES / 'davis2017.py'), args)
    return result


def test_another_preset_brings_its_own_values() -> None:
    """What the config spells out for its own preset must not stay."""
    model = merged('model.preset=crw', 'model.previous=3').model
    names = PropagationSettings.__dataclass_fields__
    own = {key: value for key, value in model.items() if key in names}
    assert (model.preset, own) == ('crw', {'previous': 3})
    kept = merged('model.preset=dino', 'model.topk=7').model
    assert (kept.topk, kept.radius, kept.temperature) == (7, 12, 0.1)


def test_a_hanging_worker_ends_a_test_of_images() -> None:
    """Where there are workers, and unless the config says for how long to wait."""
    bank = {'num_workers': 2, 'timeout': 7}
    cfg = Config(
        {'test_dataloader': {'num_workers': 2}, 'test_cfg': {'bank_dataloader': bank}}
    )
    test.set_workers(cfg)
    assert cfg.test_dataloader.timeout == LOADER_TIMEOUT
    assert cfg.test_cfg.bank_dataloader.timeout == 7
    loader = {'num_workers': 0, 'persistent_workers': True, 'timeout': 9}
    cfg = Config({'test_dataloader': loader, 'test_cfg': {}})
    test.set_workers(cfg)
    samples = torch.utils.data.TensorDataset(torch.arange(3))
    torch.utils.data.DataLoader(samples, **cfg.test_dataloader)  # which torch accepts


def test_launcher_explains_itself() -> None:
    command = [str(tools_root() / 'dist_test.sh'), 'c.py', 'none']
    done = subprocess.run(command, text=True, capture_output=True)
    assert done.returncode == 2
    assert 'usage:' in done.stderr
