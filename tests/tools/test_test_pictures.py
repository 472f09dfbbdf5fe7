"""The pictures of tools/test.py: those of this run, with what is said of them once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.datasets.trees import make_davis, moving_squares
from tests.tools.colour_runs import _network, davis, run, write_config

__all__ = ['_network', 'davis']  # fixtures


def test_the_sheet_shows_the_videos_of_this_run(davis: Path, tmp_path: Path) -> None:
    """As one that is painted where no other run painted before."""
    run(davis, tmp_path / 'all', '--show-dir', tmp_path / 'show')
    only = ('test_dataloader.dataset.videos=dog,cow', 'randomness.seed=3')
    for name, show in (('second', 'show'), ('fresh', 'alone')):
        options = ('--show-dir', tmp_path / show, '--cfg-options', *only)
        run(davis, tmp_path / name, *options)
    sheets = [(tmp_path / show / 'sheet.jpg').read_bytes() for show in ('show', 'alone')]
    assert sheets[0] == sheets[1]
    assert (tmp_path / 'show/ant').is_dir(), 'pictures of other videos stay'


def test_videos_without_a_score_are_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    videos = {
        'dog': moving_squares(4),
        'ant': moving_squares(2),
        'bee': moving_squares(2),
    }
    root = make_davis(tmp_path / 'DAVIS', videos)
    config = write_config(tmp_path / 'c.py', 'davis2017', root, {})
    run(config, tmp_path / 'run', '--show-dir', tmp_path / 'show')
    out = capsys.readouterr().out
    assert out.count('no frame between the first and the last') == 1
    assert '2 videos have no frame' in out
