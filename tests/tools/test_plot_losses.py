"""Curves of one and of several runs, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tools.test_train_cli import load_tool
from videomac.utils import tools_root
from videomac.visualization.curves import plot_runs
from videomac.visualization.figures import COLOURS

tool = load_tool(tools_root() / 'visualization' / 'plot_losses.py')


def make_run(folder: Path, level: float, keys: tuple[str, ...] = ('loss', 'lr')) -> str:
    """A run whose scalars all are ``level``."""
    path = folder / '20260101_000000' / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    records = [{**dict.fromkeys(keys, level), 'step': k} for k in range(10, 110, 10)]
    path.write_text('\n'.join(map(json.dumps, records)))
    return str(folder)


def rows_of(path: Path, colour: str) -> set[int]:
    """Rows of a picture in which a colour makes up a line."""
    image = np.asarray(Image.open(path).convert('RGB')).astype(int)
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    near = np.abs(image - rgb).max(2) < 16
    return set(np.flatnonzero(near.sum(1) > image.shape[1] / 2).tolist())


def test_several_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A colour for each run, higher values above; the ends are printed."""
    runs = [make_run(tmp_path / f'run{k}', level) for k, level in enumerate((1.0, 3.0))]
    out = tmp_path / 'new' / 'x.png'
    tool.main([*runs, '--keys', 'loss', '--out', str(out)])
    low, high = (rows_of(out, colour) for colour in COLOURS[:2])
    assert low
    assert max(high) < min(low)
    printed = capsys.readouterr().out
    assert 'run0, iteration 100: loss 1\n' in printed
    assert 'run1, iteration 100: loss 3\n' in printed
    tool.main(
        [*runs, '--keys', 'loss', 'lr', '--out', str(tmp_path / 'two.png'), '--log']
    )
    assert Image.open(tmp_path / 'two.png').size[0] > 1.5 * Image.open(out).size[0]


def test_svg_keeps_letters(tmp_path: Path) -> None:
    """Names of runs are text; equal runs give equal files."""
    run = make_run(tmp_path / 'gamma', 1.0)
    for name in 'ab':
        out = str(tmp_path / f'{name}.svg')
        tool.main([run, '--keys', 'loss', '--legend', 'weight of one', '--out', out])
    text = (tmp_path / 'a.svg').read_text()
    assert 'weight of one</text>' in text
    assert text == (tmp_path / 'b.svg').read_text()


def test_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Components in one figure, without keys."""
    run = make_run(tmp_path / 'r', 2.0, ('loss', 'loss_online', 'loss_consistency'))
    tool.main([run, '--out', str(tmp_path / 'x.png')])
    assert 'loss_consistency 2' in capsys.readouterr().out
    assert Image.open(tmp_path / 'x.png').size[0] > 900  # two panels


def test_names() -> None:
    assert tool.name_runs(['a/x', 'b/y'], None) == ['x', 'y']
    assert tool.name_runs(['a/x', 'b/x'], None) == ['a/x', 'b/x']
    assert tool.name_runs(['a', 'b'], ['1', '2']) == ['1', '2']


def test_bad_input(tmp_path: Path) -> None:
    run = make_run(tmp_path / 'r', 2.0)
    for args, message in (
        ([str(tmp_path / 'none')], 'does not exist'),
        ([run, '--keys', 'accuracy'], r"no run has \['accuracy'\].*'loss'"),
        ([run, '--legend', 'a', 'b'], '--legend needs 1 different names'),
        ([run, run], 'named twice'),
        ([run, '--smoothing', '2'], '--smoothing must be in 0..1'),
        ([run, '--out', 'x.gif'], 'must end in one of'),
    ):
        with pytest.raises(SystemExit, match=message):
            tool.main(args)
    with pytest.raises(ValueError, match='no run to draw'):
        plot_runs({}, tmp_path / 'x.png')
