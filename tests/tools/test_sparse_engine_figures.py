"""The figures of the docs: what they show is computed right, and they are small."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from tests.tools.test_train_cli import load_tool
from videomac.sparse import PatchGrid
from videomac.utils import tools_root

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / 'docs' / 'en' / 'how_the_sparse_engine_works.md'
NAMES = {'mask_dissipation', 'packed_patches', 'halo', 'visible_statistics'}

tool = load_tool(tools_root() / 'visualization' / 'sparse_engine_figures.py')


def test_figures_and_their_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # One of 3x3 patches is visible: densely, two stages are enough to reach all cells.
    tool.main(['--out', str(tmp_path), '--image-size', '96', '--ratio', '0.8'])
    printed = capsys.readouterr().out
    lines = re.findall(r'^(.+), cells (\w+): ([\d. ]+)$', printed, re.MULTILINE)
    shares = {(n, kind): [float(v) for v in values.split()] for n, kind, values in lines}
    for name in ('ConvNeXt V2-T', 'ResNet-50'):
        assert shares[name, 'visible'] == pytest.approx([1 / 9] * 4, abs=1e-3)
        assert shares[name, 'sparse'] == shares[name, 'visible']
        dense = shares[name, 'dense']
        assert dense == sorted(dense)
        assert 1 / 9 < dense[0] < 1
        assert dense[2:] == [1, 1]
    assert {path.stem for path in tmp_path.glob('*.png')} == NAMES
    for path in tmp_path.glob('*.png'):
        pixels = np.asarray(Image.open(path).convert('RGB'))
        assert tuple(pixels[0, 0]) == (255, 255, 255)
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 4


def test_committed_figures_are_small_and_shown() -> None:
    text = PAGE.read_text(encoding='utf-8')
    for name in NAMES:
        assert f'](_static/{name}.png)' in text
        path = PAGE.parent / '_static' / f'{name}.png'
        assert path.stat().st_size < 150_000
        assert Image.open(path).width <= 900


@pytest.mark.parametrize('kernel', [1, 3, 7])
def test_cells_read(kernel: int) -> None:
    """The window around the patch, cell by cell, as far as it is visible."""
    grid, cells = tool.halo_grid(), 4
    visible = grid.cell_mask(cells, cells)[0]
    for patch, place in enumerate(grid.index.tolist()):
        top, left = place // 3 * cells, place % 3 * cells
        reach = kernel // 2
        expected = torch.zeros(12, 12, dtype=torch.bool)
        for i in range(top - reach, top + cells + reach):
            for j in range(left - reach, left + cells + reach):
                if 0 <= i < 12 and 0 <= j < 12:
                    expected[i, j] = visible[i, j]
        got = tool.cells_read(kernel, grid, cells, patch)
        assert np.array_equal(got, expected.numpy())


def test_statistics_against_a_plain_statement() -> None:
    torch.manual_seed(3)
    images = tool.sample_images(2, 64)
    grid = PatchGrid.from_mask(torch.eye(2, dtype=torch.bool).expand(2, 2, 2), 32)
    torch.manual_seed(4)
    found = tool.channel_statistics(images, grid, channels=5)
    torch.manual_seed(4)
    conv = torch.nn.Conv2d(3, 5, 7, bias=False)
    torch.nn.init.kaiming_normal_(conv.weight, mode='fan_out')
    maps = F.conv2d(images, conv.weight, stride=2, padding=3).detach()
    seen = np.kron(np.eye(2), np.ones((16, 16))).astype(bool)
    cells = maps.permute(1, 0, 2, 3).numpy()
    assert np.allclose(found['whole'], cells.std((1, 2, 3), ddof=1), rtol=1e-4)
    assert np.allclose(found['visible'], cells[:, :, seen].std((1, 2), ddof=1), rtol=1e-4)
    assert np.allclose(found['zeros'], (cells * seen).std((1, 2, 3), ddof=1), rtol=1e-4)
