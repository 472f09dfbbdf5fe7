"""Pictures of learning rate and momentum over the iterations of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .figures import COLOURS, new_figure, save_figure, tidy

__all__ = ['plot_schedules']


def plot_schedules(found: Mapping[str, Sequence[float]], path: str | Path) -> None:
    """Draw schedules, a panel for each.

    Args:
        found: From :func:`videomac.engine.schedules.schedules`.
        path: Picture to write.

    Raises:
        ImportError: matplotlib is not installed.
    """
    titles = {'lr': 'learning rate', 'target_momentum': 'momentum of the target'}
    figure = new_figure(len(found))
    for axes, colour, (name, values) in zip(
        figure.axes, COLOURS, found.items(), strict=False
    ):
        steps = range(1, len(values) + 1)
        axes.plot(steps, values, color=colour, linewidth=2)
        tidy(axes, 'iteration', titles[name])
        axes.ticklabel_format(axis='y', useOffset=False, scilimits=(-3, 4))
        axes.ticklabel_format(axis='x', scilimits=(-4, 6))
    save_figure(figure, path)
