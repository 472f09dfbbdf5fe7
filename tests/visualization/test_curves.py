"""Logs are read as they were written, and drawn."""

import logging
from pathlib import Path

import numpy as np
import pytest
from mmengine.visualization import LocalVisBackend
from PIL import Image

from videomac.visualization import log_records, plot_losses, read_scalars
from videomac.visualization.curves import smooth


def test_reads_what_mmengine_writes(tmp_path: Path) -> None:
    """Each scalar has its own steps, in order."""
    backend = LocalVisBackend(str(tmp_path))
    backend.add_scalars({'loss': 2.0, 'lr': 1e-3}, step=10)
    backend.add_scalars({'loss': 1.5}, step=20)
    assert read_scalars(tmp_path / 'scalars.json') == {
        'loss': [(10, 2.0), (20, 1.5)],
        'lr': [(10, 1e-3)],
    }


def test_bad_lines_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken lines cost nothing but themselves, and are reported once."""
    path = tmp_path / 'scalars.json'
    lines = ['{"loss": 2.0, "step": 1}', '', '[1]', '{"loss": 1.0}', '{"loss": 1.0, "st']
    lines += ['{"loss": 1.0, "step": Infinity}', f'{{"step": 2, "loss": 1{400 * "0"}}}']
    lines += [200000 * '[' + 200000 * ']']
    path.write_text('\n'.join(lines))
    said: list[tuple[str, str, int]] = []
    monkeypatch.setattr(log_records, 'print_log', lambda *args: said.append(args))
    assert read_scalars(path) == {'loss': [(1, 2.0)]}
    ((message, _, level),) = said
    assert level == logging.WARNING
    assert 'passed over 6 of 8 lines' in message
    assert 'first: line 3' in message


def test_no_log(tmp_path: Path) -> None:
    """A missing and an empty log are told apart."""
    with pytest.raises(FileNotFoundError, match='vis_data/scalars'):
        read_scalars(tmp_path / 'none.json')
    (tmp_path / 'empty.json').touch()
    with pytest.raises(ValueError, match='holds no scalars'):
        read_scalars(tmp_path / 'empty.json')


def test_smooth() -> None:
    """The mean of neighbours, as a plain statement of it; lines stay lines."""
    values = np.random.default_rng(0).normal(size=11).tolist()
    result = smooth(values, 5)
    assert result[5] == pytest.approx(np.mean(values[3:8]))
    assert result[1] == pytest.approx(np.mean(values[0:3]))
    assert (result[0], result[-1]) == (values[0], values[-1])
    line = [3.0 - 0.5 * i for i in range(9)]
    assert smooth(line, 5) == pytest.approx(line)
    assert smooth(values, 1) == values


@pytest.mark.parametrize(
    ('names', 'panels'),
    [
        (['loss', 'loss_online', 'loss_target', 'loss_consistency'], 2),
        (['loss', 'loss_online'], 1),
    ],
)
def test_plot(tmp_path: Path, names: list[str], panels: int) -> None:
    """The picture has a panel for the large losses and one for the small."""
    scalars = {name: [(10 * i, 2.0 - i / 50) for i in range(40)] for name in names}
    path = tmp_path / 'new' / 'losses.png'
    plot_losses(scalars, path)
    image = np.asarray(Image.open(path).convert('RGB')).astype(int)
    assert image.shape[1] > 400 * panels
    black = (image.max(axis=2) < 40).any()
    blue = (np.abs(image - (0, 0x72, 0xB2)).max(axis=2) < 16).any()
    green = (np.abs(image - (0, 0x9E, 0x73)).max(axis=2) < 16).any()
    assert (black, blue, green) == (True, True, panels == 2)


def test_plot_of_nothing(tmp_path: Path) -> None:
    """A log without losses is named as such."""
    scalars = {'accuracy': [(1, 0.5)]}
    with pytest.raises(ValueError, match=r"none of \['loss'.*\['accuracy'\]"):
        plot_losses(scalars, tmp_path / 'losses.png')
