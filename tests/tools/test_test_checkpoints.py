"""The checkpoint that tools/test.py is given."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer

from tests.tools.colour_runs import BASES, _network, davis, run, test

__all__ = ['_network', 'davis']  # fixtures


def save(path: Path, content: Any) -> Path:
    """Save a checkpoint."""
    torch.save(content, path)
    return path


def test_checkpoints(davis: Path, tmp_path: Path) -> None:
    """The encoder inside a pre-training checkpoint is the encoder alone."""
    rng = torch.Generator().manual_seed(3)
    state = {
        'conv.weight': torch.randn(16, 3, 8, 8, generator=rng),
        'conv.bias': torch.zeros(16),
    }
    inside = {f'encoder.{name}': value for name, value in state.items()}
    inside |= {f'target.{name}': -value for name, value in inside.items()}
    paths = {
        'alone': save(tmp_path / 'alone.pth', state),
        'inside': save(tmp_path / 'inside.pth', {'state_dict': inside, 'meta': {}}),
    }
    found = {
        name: test.main([str(davis), str(path), '--work-dir', str(tmp_path / name)])
        for name, path in paths.items()
    }
    assert found['alone'] == found['inside']
    assert found['alone'] != run(davis, tmp_path / 'random')
    noted = json.loads((tmp_path / 'alone' / 'predictions' / 'run.json').read_text())
    assert noted['checkpoint'].startswith('sha256 ')


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (
            {'conv.weight': torch.zeros(2, 3, 8, 8)},
            r'does not fit Colours(.|\n)*conv.bias',
        ),
        ({'history': HistoryBuffer()}, r'could run code'),
        (None, r"no checkpoint '.*bad\.pth'"),
    ],
)
def test_unfit_checkpoints_are_errors(
    content: Any, message: str, davis: Path, tmp_path: Path
) -> None:
    path = tmp_path / 'bad.pth'
    if content is not None:
        save(path, content)
    with pytest.raises(SystemExit, match=rf'^test\.py: (.|\n)*{message}'):
        test.main([str(davis), str(path), '--work-dir', str(tmp_path / 'run')])
    assert not (tmp_path / 'run' / 'predictions').exists()


def test_load_from_is_not_passed_over(davis: Path, tmp_path: Path) -> None:
    """It would leave the weights random, even where there is no such file."""
    path = save(tmp_path / 'a.pth', {'conv.weight': torch.zeros(16, 3, 8, 8)})
    message = rf"^test\.py: load_from='{path}' .*give the checkpoint as the second arg"
    with pytest.raises(SystemExit, match=message):
        run(davis, tmp_path / 'run', '--cfg-options', f'load_from={path}')
    davis.write_text(f'{davis.read_text()}load_from = {str(path)!r}\n')
    with pytest.raises(SystemExit, match=message):
        run(davis, tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


def test_random_weights_are_said(
    davis: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(davis, tmp_path / 'run')
    out = capsys.readouterr().out
    assert 'WARNING - NO CHECKPOINT' in out
    assert 'random (seed 0)' in out
    assert 'ETA 0:00:00' in out


@pytest.mark.parametrize('given', [['none'], [], ['a.pth']])
def test_checkpoint_of_the_command_line_wins(given: list[str]) -> None:
    cfg = Config.fromfile(BASES / 'davis2017.py')
    cfg.model.backbone.checkpoint = 'of-config.pth'
    args = test.build_parser().parse_args(['folder/x.py', *given])
    found = test.merge_args(cfg, args)
    expected = {'none': None, 'a.pth': 'a.pth'}.get(''.join(given), 'of-config.pth')
    assert found.model.backbone.checkpoint == expected
    assert found.work_dir == os.path.join('work_dirs', 'x')
