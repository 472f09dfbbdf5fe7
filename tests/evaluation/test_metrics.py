"""Metrics of mmengine: what they are given, what they return and what they write."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import Evaluator

from tests.datasets.trees import make_davis, make_jhmdb, make_vip, moving_squares
from tests.evaluation.test_jf import MASKS, OFFICIAL
from videomac.datasets import DAVISDataset, JHMDBDataset, VIPDataset
from videomac.datasets.vip import VIP_CLASSES
from videomac.evaluation import VideoMetric
from videomac.evaluation.tables import text_table, write_csv, write_json
from videomac.registry import METRICS

NAMES = ('alpha', 'bravo', 'charlie')
SQUARES = moving_squares(5)


def run(metric: VideoMetric, dataset: Any, predictions: dict[str, Any]) -> dict[str, Any]:
    """Evaluate as mmengine's loop does."""
    evaluator = Evaluator(metric)
    evaluator.dataset_meta = dataset.metainfo
    for i in range(len(dataset)):
        batch = pseudo_collate([dataset[i]])
        name = batch['inputs'][0].video
        if name in predictions:
            evaluator.process([predictions[name]], batch)
    return evaluator.evaluate(len(dataset))


@pytest.fixture
def mini(tmp_path: Path) -> DAVISDataset:
    """The drawn videos with official scores, as a tree."""
    videos = {name: MASKS[f'truth/{name}'] for name in NAMES}
    return DAVISDataset(make_davis(tmp_path / 'DAVIS', videos))


def test_official_scores_and_tables(mini: DAVISDataset, tmp_path: Path) -> None:
    metric = METRICS.build(dict(type='JAndFMetric', out_dir=str(tmp_path / 'out')))
    predictions = {name: {'masks': list(MASKS[f'mixed/{name}'])} for name in NAMES}
    found = run(metric, mini, predictions)
    expected = OFFICIAL['mixed']
    for name, value in expected['global'].items():
        assert found[f'DAVIS/{name}'] == pytest.approx(value, abs=1e-9)

    # The names, columns and decimals of davis2017-evaluation.
    files = {path.name for path in (tmp_path / 'out').iterdir()}
    official = {'global_results-val.csv', 'per-sequence_results-val.csv'}
    assert files == official | {'davis.json'}
    text = (tmp_path / 'out/global_results-val.csv').read_text()
    header = 'J&F-Mean,J-Mean,J-Recall,J-Decay,F-Mean,F-Recall,F-Decay'
    assert text == f'{header}\n0.572,0.574,0.646,0.153,0.569,0.550,0.260\n'
    with open(tmp_path / 'out/per-sequence_results-val.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ['Sequence', 'J-Mean', 'F-Mean']
    assert [row['Sequence'] for row in rows] == list(expected['per_object'])
    for row in rows:
        numbers = expected['per_object'][row['Sequence']]
        assert row['J-Mean'] == f'{numbers["J-Mean"]:.3f}'
        assert row['F-Mean'] == f'{numbers["F-Mean"]:.3f}'

    details = json.loads((tmp_path / 'out/davis.json').read_text())
    for name, numbers in expected['per_object'].items():
        for key, value in numbers.items():
            assert details['per_object'][name][key] == pytest.approx(value, abs=1e-9)


def test_a_video_scored_twice_counts_once(mini: DAVISDataset) -> None:
    predictions = {name: {'masks': MASKS[f'shift/{name}']} for name in NAMES}
    metric = METRICS.build(dict(type='JAndFMetric'))
    metric.dataset_meta = mini.metainfo
    # The order in which two processes finish, one video dealt out to both.
    for index in (2, 0, 0, 1):
        batch = pseudo_collate([mini[index]])
        metric.process(batch, [predictions[NAMES[index]]])
    found = metric.evaluate(3)
    assert found['DAVIS/J&F-Mean'] == OFFICIAL['shift']['global']['J&F-Mean']
    assert metric.results == []


def test_videos_without_prediction_are_reported(
    mini: DAVISDataset, messages: list[str]
) -> None:
    truth = {'masks': MASKS['truth/bravo']}
    found = run(METRICS.build(dict(type='JAndFMetric')), mini, {'bravo': truth})
    assert found['DAVIS/J&F-Mean'] == 1
    assert any('2 of 3 videos have no prediction (first: alpha' in m for m in messages)
    metric = METRICS.build(dict(type='JAndFMetric'))
    with pytest.raises(ValueError, match='JAndFMetric was given no video'):
        metric.evaluate(3)


def test_the_log_has_a_table(mini: DAVISDataset, messages: list[str]) -> None:
    predictions = {name: {'masks': MASKS[f'mixed/{name}']} for name in NAMES}
    run(METRICS.build(dict(type='JAndFMetric')), mini, predictions)
    (table,) = [message for message in messages if 'J&F-Mean' in message]
    assert '0.572' in table
    assert 'charlie_2' in table


def test_errors_name_the_video(mini: DAVISDataset) -> None:
    metric = METRICS.build(dict(type='JAndFMetric'))
    batch = pseudo_collate([mini[1]])
    with pytest.raises(ValueError, match=r"video 'bravo': .*id 9"):
        metric.process(batch, [{'masks': MASKS['truth/bravo'] * 9}])
    with pytest.raises(ValueError, match=r"video 'bravo': 'masks'"):
        metric.process(batch, [{}])


def test_splits_without_ground_truth_cannot_be_scored(tmp_path: Path) -> None:
    root = make_davis(tmp_path, {'goat': SQUARES}, split='test-dev')
    dataset = DAVISDataset(root, split='test-dev')
    with pytest.raises(ValueError, match="'goat': it has no ground truth"):
        run(
            METRICS.build(dict(type='JAndFMetric')), dataset, {'goat': {'masks': SQUARES}}
        )


def test_videos_too_short_to_score_are_left_out(
    tmp_path: Path, messages: list[str]
) -> None:
    root = make_davis(tmp_path, {'goat': SQUARES, 'fly': SQUARES[:2]})
    predictions = {'goat': {'masks': SQUARES}, 'fly': {'masks': SQUARES[:2]}}
    found = run(METRICS.build(dict(type='JAndFMetric')), DAVISDataset(root), predictions)
    assert found['DAVIS/J&F-Mean'] == 1
    (said,) = [message for message in messages if '1 videos have no frame' in message]
    assert 'fly' in said


def test_vip_mean_iou_over_all_frames(tmp_path: Path) -> None:
    truth = [ids.copy() for ids in moving_squares(3, objects=3)]
    truth[1][0] = 255  # counts for nothing
    root = make_vip(tmp_path / 'VIP', {'videos1': truth, 'videos2': SQUARES})
    masks = [np.where(ids == 255, 0, ids).astype(np.uint8) for ids in truth]
    masks[2] = np.where(masks[2] == 3, 5, masks[2]).astype(np.uint8)
    predictions = {'videos1': {'masks': masks}, 'videos2': {'masks': SQUARES}}
    metric = METRICS.build(dict(type='VIPMeanIoU', out_dir=str(tmp_path / 'out')))
    found = run(metric, VIPDataset(root), predictions)
    # Class 3 is right in two of three frames, class 5 is only predicted, 0 to 2 right.
    classes = [1, 1, 1, 2 / 3, 0]
    assert found['VIP/mIoU'] == pytest.approx(100 * np.mean(classes))
    assert found['VIP/mIoU-parts'] == pytest.approx(100 * np.mean(classes[1:]))

    rows = (tmp_path / 'out/vip_per-sequence.csv').read_text().splitlines()
    assert rows == [
        'Sequence,mIoU',
        f'videos1,{100 * np.mean(classes):.3f}',
        'videos2,100.000',
    ]
    rows = (tmp_path / 'out/vip_per-class.csv').read_text().splitlines()
    assert rows[1:5] == [
        'background,100.000',
        'hat,100.000',
        'hair,100.000',
        'sun-glasses,66.667',
    ]
    assert rows[5] == 'upper-clothes,', 'neither annotated nor predicted'
    details = json.loads((tmp_path / 'out/vip.json').read_text())
    assert details['classes']['gloves'] is None
    assert np.sum(details['confusion']['videos2']) == 5 * 48 * 64

    # Without the first frame class 3 is right in one of two.
    metric = METRICS.build(dict(type='VIPMeanIoU', first_frame=False))
    found = run(metric, VIPDataset(root), predictions)
    assert found['VIP/mIoU-parts'] == pytest.approx(100 * np.mean([1, 1, 1 / 2, 0]))


def test_vip_errors_name_video_and_frame(tmp_path: Path) -> None:
    root = make_vip(tmp_path, {'videos1': SQUARES}, instances=True)
    metric = METRICS.build(dict(type='VIPMeanIoU'))
    wrong = [*SQUARES[:3], np.full((48, 64), 20, np.uint8), SQUARES[4]]
    with pytest.raises(ValueError, match=r"'videos1': frame 3: .*value 20"):
        run(metric, VIPDataset(root), {'videos1': {'masks': wrong}})
    with pytest.raises(ValueError, match='4 predicted frames for 5'):
        run(metric, VIPDataset(root), {'videos1': {'masks': SQUARES[:4]}})
    metric = METRICS.build(dict(type='VIPInstanceAP'))
    with pytest.raises(ValueError, match="labels='instance'"):
        run(metric, VIPDataset(root), {'videos1': {'masks': SQUARES}})


def test_vip_average_precision(tmp_path: Path) -> None:
    root = make_vip(tmp_path / 'VIP', {'videos1': SQUARES}, instances=True)
    dataset = VIPDataset(root, labels='instance')
    masks = [ids.copy() for ids in SQUARES]
    for ids in masks[1:]:
        rows = np.flatnonzero((ids == 2).any(1))
        ids[rows[: len(rows) // 2]] = np.where(ids[rows[: len(rows) // 2]] == 2, 0, 0)
    metric = METRICS.build(dict(type='VIPInstanceAP', out_dir=str(tmp_path / 'out')))
    found = run(metric, dataset, {'videos1': {'masks': masks}})
    # Instance 1 is always right; 2 is in frame 0 alone, half of it in the others, which
    # are ranked before: a precision of 1/5 at a recall of 1/5. 17 classes are absent.
    for threshold in (0.1, 0.2, 0.3, 0.4):
        assert found[f'VIP-instances/AP@{threshold}'] == pytest.approx(200 / 19)
    for threshold in (0.5, 0.6, 0.7, 0.8, 0.9):
        assert found[f'VIP-instances/AP@{threshold}'] == pytest.approx(104 / 19)
    overall = (4 * 200 + 5 * 104) / 9 / 19
    assert found['VIP-instances/AP_vol'] == pytest.approx(overall)
    details = json.loads((tmp_path / 'out/vip-instances.json').read_text())
    assert details['classes']['hat'] == pytest.approx([100] * 9)
    assert details['classes']['hair'] == pytest.approx([100] * 4 + [4] * 5)
    assert details['classes']['dress'] == [None] * 9
    with open(tmp_path / 'out/vip-instances_per-sequence.csv', newline='') as file:
        (row,) = csv.DictReader(file)
    # The numbers of the only video are those of the data set.
    wanted = {name.split('/')[1]: f'{value:.3f}' for name, value in found.items()}
    assert row == {'Sequence': 'videos1', **wanted}
    with open(tmp_path / 'out/vip-instances_per-class.csv', newline='') as file:
        table = {row.pop('Class'): list(row.values()) for row in csv.DictReader(file)}
    assert list(table) == list(VIP_CLASSES[1:])
    hair = [100] * 4 + [4] * 5
    assert table['hair'] == [f'{value:.3f}' for value in (*hair, np.mean(hair))]
    assert table['dress'] == [''] * 10


def test_pck(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(5, 60, (4, 15, 2))
    points = truth.copy()
    box = truth[2].max(0) - truth[2].min(0)
    points[2, 4, 0] += 0.6 * np.hypot(*box) * 0.25  # off by 0.25 of the person
    points[3, 7] = -1  # not seen
    visible = points[..., 0] >= 0
    root = make_jhmdb(tmp_path / 'JHMDB', {'run/a': truth})
    metric = METRICS.build(dict(type='PCKMetric', out_dir=str(tmp_path / 'out')))
    prediction = {'points': points, 'visible': visible}
    found = run(metric, JHMDBDataset(root), {'run/a': prediction})
    assert list(found) == [f'JHMDB/PCK@0.{i}' for i in range(1, 6)]
    for i in (1, 2):
        assert found[f'JHMDB/PCK@0.{i}'] == pytest.approx(100 * (14 + 2 / 3) / 15)
    for i in (3, 4, 5):
        assert found[f'JHMDB/PCK@0.{i}'] == pytest.approx(100)
    rows = (tmp_path / 'out/jhmdb_per-sequence.csv').read_text().splitlines()
    assert rows[0] == 'Sequence,PCK@0.1,PCK@0.2,PCK@0.3,PCK@0.4,PCK@0.5'
    assert rows[1] == 'run/a,97.778,97.778,100.000,100.000,100.000'


def test_pck_of_vfs(tmp_path: Path) -> None:
    truth = np.random.default_rng(0).uniform(5, 60, (3, 15, 2))
    points = truth.copy()
    points[1, 2, 0] = 0  # seen for CRW, whose zero is a place; not for VFS
    root = make_jhmdb(tmp_path, {'run/a': truth})
    predictions = {'run/a': {'points': points}}
    crw = METRICS.build(dict(type='PCKMetric', thresholds=(0.1,)))
    vfs = dict(type='PCKMetric', first_frame=True, visible_above_zero=True)
    found = run(crw, JHMDBDataset(root), predictions)
    assert found['JHMDB/PCK@0.1'] == pytest.approx(100 * (14 + 1 / 2) / 15)
    found = run(METRICS.build(vfs), JHMDBDataset(root), predictions)
    assert found['JHMDB/PCK@0.1'] == pytest.approx(100)


@pytest.mark.parametrize('rules', [{}, {'first_frame': True, 'visible_above_zero': True}])
def test_joints_that_are_not_numbers_are_missed(
    rules: dict[str, bool], tmp_path: Path
) -> None:
    truth = np.random.default_rng(0).uniform(5, 60, (2, 15, 2))
    points = truth.copy()
    points[1, 2] = np.nan
    root = make_jhmdb(tmp_path, {'run/a': truth})
    metric = METRICS.build(dict(type='PCKMetric', thresholds=(0.5,), **rules))
    found = run(metric, JHMDBDataset(root), {'run/a': {'points': points}})
    share = 1 / 2 if rules else 0  # of the frames that count, for joint 2
    assert found['JHMDB/PCK@0.5'] == pytest.approx(100 * (14 + share) / 15)


@pytest.mark.parametrize(
    ('settings', 'named'),
    [
        (dict(type='JAndFMetric', all_frames='no'), "all_frames .*got 'no'"),
        (dict(type='JAndFMetric', bound=2.5), r'bound .*got 2\.5'),
        (dict(type='JAndFMetric', bound=float('nan')), 'bound .*got nan'),
        (dict(type='JAndFMetric', bound=float('inf')), 'bound .*got inf'),
        (dict(type='JAndFMetric', bound='wide'), "bound .*got 'wide'"),
        (dict(type='VIPMeanIoU', first_frame='off'), "first_frame .*got 'off'"),
        (dict(type='VIPInstanceAP', first_frame=0), 'first_frame .*got 0'),
        (dict(type='VIPInstanceAP', thresholds=(0.1, 'b')), "thresholds .*got 'b'"),
        (dict(type='PCKMetric', first_frame='no'), "first_frame .*got 'no'"),
        (dict(type='PCKMetric', visible_above_zero=1), 'visible_above_zero .*got 1'),
        (dict(type='PCKMetric', scale=0), 'scale .*got 0'),
        (dict(type='PCKMetric', thresholds=(float('nan'),)), 'thresholds .*got nan'),
    ],
)
def test_arguments_are_checked_at_once(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        METRICS.build(settings)


def test_tables(tmp_path: Path) -> None:
    table = text_table(('name', 'J'), [('a', '0.5'), ('longer', '10.25')])
    assert table.splitlines() == ['name        J', 'a         0.5', 'longer  10.25']
    write_csv(tmp_path / 'a.csv', ('name', 'J'), [('x, y', 0.12349), ('z', float('nan'))])
    assert (tmp_path / 'a.csv').read_text() == 'name,J\n"x, y",0.123\nz,\n'
    write_json(tmp_path / 'a.json', {'a': [float('nan'), 1.5], 'b': {'c': float('inf')}})
    assert json.loads((tmp_path / 'a.json').read_text()) == {
        'a': [None, 1.5],
        'b': {'c': None},
    }
    assert {path.name for path in tmp_path.iterdir()} == {'a.csv', 'a.json'}
