"""Pictures of schedules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from videomac.visualization.schedules import plot_schedules


def test_plot(tmp_path: Path) -> None:
    """A line of a known form is drawn where it should be."""
    path = tmp_path / 'x.png'
    plot_schedules({'lr': [0.0, 1.0]}, path)
    image = np.asarray(Image.open(path).convert('RGB')).astype(int)
    rows, columns = np.nonzero(np.abs(image - (0, 0x72, 0xB2)).max(2) < 16)
    slope = np.polyfit(columns, rows, 1)
    assert np.abs(np.polyval(slope, columns) - rows).max() < 3
    assert slope[0] < 0  # up
