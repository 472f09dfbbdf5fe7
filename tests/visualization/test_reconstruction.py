"""Sheets show the right pixels at the right places."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmpretrain.structures import DataSample
from PIL import Image

from videomac.visualization import (
    reconstruction_sheet,
    reconstruction_sheets,
    save_image,
)
from videomac.visualization.reconstruction import GAP, HEADER, WIDE_GAP


def make_sample(height: int = 32, width: int = 64, frames: int = 2) -> DataSample:
    """Frames of brightness 0.1 + t / 10; predicted 0.6, pasted 0.8; left half visible."""
    level = 0.1 + torch.arange(frames).view(-1, 1, 1, 1) / 10
    shape = (frames, 3, height, width)
    visible = torch.zeros(frames, 1, height, width, dtype=torch.bool)
    visible[..., : width // 2] = True
    sample = DataSample()
    sample.set_field(level.expand(shape).clone(), 'frames', dtype=None)
    sample.set_field(torch.full(shape, 0.6), 'reconstruction', dtype=None)
    sample.set_field(torch.full(shape, 0.8), 'pasted', dtype=None)
    sample.set_field(visible, 'visible', dtype=None)
    return sample


def grey(value: float) -> list[int]:
    """The pixel of a brightness in 0..1."""
    return [round(255 * value)] * 3


def test_each_cell_has_its_picture() -> None:
    """Rows are frames; columns original, masked, prediction, pasted."""
    sheet = reconstruction_sheet(make_sample())
    assert sheet.dtype == np.uint8
    assert sheet.shape == (HEADER + 2 * 32 + GAP, 4 * 64 + 3 * GAP, 3)
    for row, original in enumerate((0.1, 0.2)):
        y = HEADER + row * (32 + GAP)
        cells = [sheet[y : y + 32, column * (64 + GAP) :][:, :64] for column in range(4)]
        assert (cells[0] == grey(original)).all()
        assert (cells[1][:, :32] == grey(original)).all()
        assert (cells[1][:, 32:] == 128).all()
        assert (cells[2] == grey(0.6)).all()
        assert (cells[3] == grey(0.8)).all()


def test_samples_are_stacked_below_one_header() -> None:
    """Two sheets share the header and stand apart."""
    sample = make_sample(frames=1)
    sheet = reconstruction_sheets([sample, sample])
    block = reconstruction_sheet(sample)[HEADER:]
    assert (sheet[HEADER : HEADER + 32] == block).all()
    assert (sheet[HEADER + 32 : HEADER + 32 + WIDE_GAP] == 255).all()
    assert (sheet[HEADER + 32 + WIDE_GAP :] == block).all()


@pytest.mark.parametrize('width', [16, 64, 256])
def test_titles_fit_their_columns(width: int) -> None:
    """Titles are drawn, and none runs into the next however narrow the columns."""
    header = reconstruction_sheet(make_sample(width=width))[:HEADER]
    assert (header < 128).any()
    if width == 16:
        return  # narrower than the smallest readable letters
    for column in range(1, 4):
        middle = column * (width + GAP) - GAP // 2 - 1
        assert (header[:, middle] == 255).all()


def test_values_out_of_range_are_clipped() -> None:
    """No value wraps around."""
    sample = make_sample()
    sample.set_field(torch.full((2, 3, 32, 64), 1.5), 'reconstruction', dtype=None)
    sheet = reconstruction_sheet(sample)
    assert (sheet[HEADER, 2 * (64 + GAP)] == 255).all()


def test_errors() -> None:
    """What cannot be drawn is named."""
    with pytest.raises(ValueError, match='no sample'):
        reconstruction_sheets([])
    sample = make_sample()
    del sample.reconstruction, sample.pasted
    with pytest.raises(ValueError, match=r"no \['reconstruction', 'pasted'\]"):
        reconstruction_sheet(sample)
    with pytest.raises(ValueError, match='one size'):
        reconstruction_sheets([make_sample(), make_sample(width=32)])


def test_save_image(tmp_path: Path) -> None:
    """A picture comes back as it was, its folder is made."""
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    path = tmp_path / 'new' / 'image.png'
    save_image(path, image)
    assert (np.asarray(Image.open(path)) == image).all()
    with pytest.raises(TypeError, match='float64'):
        save_image(path, image / 255)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r'\[5, 7\]'):
        save_image(path, image[..., 0])
