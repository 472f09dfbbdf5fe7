"""What all figures share: colours, sizes and how they are saved.

Figures have a white ground of their own, so that they can be read on pages in dark mode,
and letters that can still be read at the width of a README.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ['COLOURS', 'DARK', 'GREY', 'new_figure', 'save_figure', 'tidy']

#: Of Okabe and Ito, which people tell apart whatever their colour vision; the pale
#: yellow, which is lost on white, is left out.
COLOURS = (
    '#0072B2',  # blue
    '#D55E00',  # vermilion
    '#009E73',  # green
    '#CC79A7',  # purple
    '#E69F00',  # orange
    '#56B4E9',  # sky
    '#000000',
)
DARK, GREY = '#333333', '#dddddd'
DPI = 110
WIDTH, HEIGHT = 4.4, 3.1  # inches of a panel
FONT = 11  # points
SUFFIXES = ('.png', '.svg', '.pdf')


def new_figure(columns: int = 1, rows: int = 1, **settings: Any) -> Any:
    """Make a figure with panels, without touching pyplot's state.

    Args:
        columns: Panels side by side.
        rows: Panels one below the other.
        settings: Of :class:`matplotlib.figure.Figure`, such as ``figsize``, in inches.

    Raises:
        ImportError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            f'drawing curves needs matplotlib, which cannot be imported ({error}). '
            'Install it: pip install matplotlib'
        ) from error
    size = {'figsize': (WIDTH * columns, HEIGHT * rows), **settings}
    with mpl.rc_context({'font.size': FONT}):
        figure = Figure(dpi=DPI, layout='constrained', facecolor='white', **size)
        FigureCanvasAgg(figure)
        figure.subplots(rows, columns)
    return figure


def tidy(axes: Any, xlabel: str = '', ylabel: str = '') -> None:
    """Give axes a grid, labels, and no frame on the right and above."""
    axes.grid(color=GREY, linewidth=0.6)
    axes.spines[['top', 'right']].set_visible(False)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)


def save_figure(figure: Any, path: str | Path) -> None:
    """Write a figure; the suffix of the path sets the format.

    Raises:
        ValueError: The suffix is none of ``.png``, ``.svg`` and ``.pdf``.
    """
    file = Path(path)
    if file.suffix.lower() not in SUFFIXES:
        raise ValueError(f"'{path}' must end in one of {', '.join(SUFFIXES)}")
    file.parent.mkdir(parents=True, exist_ok=True)
    import matplotlib as mpl

    # Letters of an SVG stay letters, and equal data give equal files.
    with mpl.rc_context({'svg.fonttype': 'none', 'svg.hashsalt': 'videomac'}):
        metadata = {'Date': None} if file.suffix.lower() == '.svg' else None
        figure.savefig(file, metadata=metadata)
