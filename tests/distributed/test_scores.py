"""Scores of videos that several processes share are those of one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.datasets.trees import make_davis, moving_squares
from tests.distributed.score_videos import score_share

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name('score_videos.py')


def tables(folder: Path) -> dict[str, str]:
    """The files that the metric wrote."""
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.parametrize('processes', [2, pytest.param(4, marks=pytest.mark.slow)])
def test_processes_score_as_one(tmp_path: Path, processes: int) -> None:
    # Five videos: the sampler deals some of them out twice, to make six or eight.
    videos = {
        name: moving_squares(4 + i, (40, 50 + i), objects=1 + i % 3)
        for i, name in enumerate(('emu', 'ant', 'cat', 'bee', 'dog'))
    }
    root = make_davis(tmp_path / 'DAVIS', videos)
    alone = score_share(root, tmp_path / 'alone', 'sampler')
    assert alone['videos'] == 5
    assert 0.3 < alone['result']['DAVIS/J&F-Mean'] < 0.99, 'the test has nothing to tell'

    (tmp_path / 'file').write_text('a file where the tables should go')
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone']
    command += [f'--nproc_per_node={processes}', str(SCRIPT), str(root), str(tmp_path)]
    env = os.environ | {'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    ranks = [
        json.loads((tmp_path / f'rank{rank}.json').read_text())
        for rank in range(processes)
    ]
    share = -(-5 // processes)
    assert [notes['sampler']['videos'] for notes in ranks] == [share] * processes
    assert [notes['uneven']['videos'] for notes in ranks] == [0] * (processes - 1) + [5]
    for notes in ranks:
        assert notes['sampler']['result'] == alone['result'], 'equal to the last bit'
        assert notes['uneven']['result'] == alone['result']
        # Only the first process writes; the others must not wait for it for ever.
        assert notes['broken']['error'] == 'FileExistsError'
    assert tables(tmp_path / 'sampler') == tables(tmp_path / 'alone')
    assert tables(tmp_path / 'uneven') == tables(tmp_path / 'alone')
