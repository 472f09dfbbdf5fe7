"""How masks dissolve in a dense network and stay in a sparse one (paper, Fig. 5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from ..sparse import PatchGrid
from .figures import DPI
from .mask_reach import MaskReach

__all__ = ['BLUE', 'GREY', 'ORANGE', 'bare', 'dissipation_figure', 'panel_figure']

# Of Okabe and Ito, which people tell apart whatever their colour vision.
BLUE, ORANGE, GREY = '#0072B2', '#E69F00', '#EDEDED'
KINDS = {'dense': 'dense network', 'sparse': 'PatchTensor'}


def panel_figure(width: float, height: float, **layout: Any) -> Figure:
    """Make an empty figure, sides in inches, without touching pyplot's state."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout='constrained', **layout)
    FigureCanvasAgg(figure)
    return figure


def bare(axes: Any) -> None:
    """Take ticks and frame away."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def draw_reach(axes: Any, reached: NDArray[np.bool_], visible: NDArray[np.bool_]) -> None:
    """Show cells: not reached, reached and visible, reached but masked."""
    values = np.where(reached, np.where(visible, 1, 2), 0)
    colours = ListedColormap([GREY, BLUE, ORANGE])
    axes.imshow(values, cmap=colours, vmin=0, vmax=2, interpolation='nearest')
    bare(axes)


def dissipation_figure(
    reaches: Sequence[MaskReach], grid: PatchGrid, image: NDArray[np.uint8] | None = None
) -> Figure:
    """Draw which cells the visible pixels reach after every stage, in both networks.

    Args:
        reaches: From :func:`~videomac.visualization.mask_reach`, of each stage.
        grid: The visible patches.
        image: RGB, uint8 [H, W, 3], to show masked in the place of the mask.
    """
    figure = panel_figure(1.9 * (len(reaches) + 1) * 0.8, 3.7)
    rows: Any = figure.subplots(2, len(reaches) + 1)
    mask = grid.visible[0].cpu().numpy()
    for row, kind in zip(rows, KINDS, strict=True):
        if image is None:
            draw_reach(row[0], mask, mask)
        else:
            shown = grid.cell_mask(grid.patch_size, grid.patch_size)[0].cpu().numpy()
            ground = np.full_like(image, int(GREY[1:3], 16))
            row[0].imshow(np.where(shown[..., None], image, ground))
            bare(row[0])
        row[0].set_ylabel(KINDS[kind])
        row[0].set_title(f'mask: {mask.mean():.0%}', fontsize=10)
        for stage, (axes, reach) in enumerate(zip(row[1:], reaches, strict=True), 1):
            reached = getattr(reach, kind)
            draw_reach(axes, reached, reach.visible)
            axes.set_title(f'stage {stage}: {reached.mean():.0%}', fontsize=10)
    handles = [Rectangle((0, 0), 1, 1, color=c) for c in (BLUE, ORANGE, GREY)]
    labels = ['visible', 'masked, but reached', 'masked']
    figure.legend(
        handles, labels, loc='outside lower center', ncols=3, frameon=False, fontsize=10
    )
    return figure
