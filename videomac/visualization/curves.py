"""Loss curves from the log of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .figures import COLOURS, new_figure, save_figure, tidy
from .log_records import Scalars, collect_scalars, read_records

__all__ = ['Scalars', 'plot_losses', 'plot_runs', 'read_scalars', 'smooth']

CURVES = {
    'loss': ('total loss', COLOURS[-1]),
    'loss_online': ('online, frame 1 ($L_o$)', COLOURS[0]),
    'loss_target': ('target, frame 2 ($L_t$)', COLOURS[1]),
    'loss_consistency': (r'consistency ($\gamma L_c$)', COLOURS[2]),
}
LINES = ('-', '--', ':')  # for more runs than there are colours
ACROSS = 2  # panels side by side
SMOOTHING = 0.08  # width of the smoothing window as a share of the curve


def read_scalars(path: str | Path) -> Scalars:
    """Read the curves of one log; see :func:`read_run` for those of a run.

    Args:
        path: ``<work_dir>/<timestamp>/vis_data/scalars.json``, as mmengine's
            LocalVisBackend writes it: a JSON object a line, each with a ``step``. Lines
            that are none, such as the last one of a run that was killed while writing,
            are counted, reported and passed over.

    Returns:
        For each scalar its iterations of training and its values. Names of validation
        that training has as well, such as ``time``, begin with ``val/``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: No line can be read.
    """
    return collect_scalars(read_records(path))


def smooth(values: Sequence[float], window: int) -> list[float]:
    """Average each value with its neighbours, fewer of them towards the ends.

    Args:
        values: The curve.
        window: Number of values to average, at least 1; even ones count as one more.

    Returns:
        As many values; straight lines keep their form.
    """
    result = []
    for i in range(len(values)):
        # The same number on both sides, or the ends would be flattened.
        reach = min(window // 2, i, len(values) - 1 - i)
        near = values[i - reach : i + reach + 1]
        result.append(sum(near) / len(near))
    return result


def plot_losses(scalars: Scalars, path: str | Path, smoothing: float = SMOOTHING) -> None:
    """Draw the losses of a run, smoothed over faint raw lines (paper, Fig. 6).

    The consistency loss, much smaller than the others, has a panel of its own.

    Args:
        scalars: From :func:`read_scalars`, with some of ``loss``, ``loss_online``,
            ``loss_target`` and ``loss_consistency``.
        path: Picture to write, such as ``losses.png`` or ``losses.svg``; its folder is
            made where it is missing.
        smoothing: Width of the smoothing window as a share of the curve.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: None of these losses is there.
    """
    shown = [name for name in CURVES if scalars.get(name)]
    if not shown:
        raise ValueError(
            f'none of {list(CURVES)} is among the scalars {sorted(scalars)}: is this '
            'the log of a pre-training run?'
        )
    panels = [[name for name in shown if name != 'loss_consistency']]
    panels.append([name for name in shown if name == 'loss_consistency'])
    panels = [names for names in panels if names]
    figure = new_figure(len(panels))
    for axes, names in zip(figure.axes, panels, strict=True):
        for name in names:
            label, colour = CURVES[name]
            _draw_curve(axes, scalars[name], label, colour, smoothing)
        tidy(axes, 'iteration', 'loss')
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False, loc='lower right' if len(names) == 1 else 'best')
    save_figure(figure, path)


def plot_runs(
    runs: Mapping[str, Scalars],
    path: str | Path,
    names: Sequence[str] | None = None,
    smoothing: float = SMOOTHING,
    logarithmic: bool = False,
) -> list[str]:
    """Draw scalars of several runs, a panel for each scalar (paper, Fig. 7).

    Args:
        runs: The scalars of each run by the name for the legend.
        path: Picture to write.
        names: Which scalars; by default the losses that any run has.
        smoothing: Width of the smoothing window as a share of the curve.
        logarithmic: Whether the scale of the values is.

    Returns:
        The scalars that were drawn.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: There is no run, or none has a scalar of this name.
    """
    if not runs:
        raise ValueError('there is no run to draw: give at least one')
    known = sorted({name for scalars in runs.values() for name in scalars})
    shown = [n for n in CURVES if n in known] if names is None else list(names)
    absent = [name for name in shown if name not in known]
    if absent or not shown:
        raise ValueError(f'no run has {absent or list(CURVES)}; there are {known}')
    across = min(ACROSS, len(shown))
    figure = new_figure(across, -(-len(shown) // across))
    for axes, name in zip(figure.axes, shown, strict=False):
        for i, (run, scalars) in enumerate(runs.items()):
            if name in scalars:
                line = LINES[i // len(COLOURS) % len(LINES)]
                colour = COLOURS[i % len(COLOURS)]
                _draw_curve(axes, scalars[name], run, colour, smoothing, line)
        label, _ = CURVES.get(name, (name.replace('_', ' '), ''))
        tidy(axes, 'iteration', label)
        if logarithmic:
            axes.set_yscale('log')
    for axes in figure.axes[len(shown) :]:
        axes.set_visible(False)
    # A legend that is the same for all panels; a panel may lack a run.
    entries: dict[str, Any] = {}
    for axes in figure.axes[: len(shown)]:
        handles, labels = axes.get_legend_handles_labels()
        entries.update(zip(labels, handles, strict=True))
    columns = min(len(entries), 2 * across)
    figure.legend(
        [entries[run] for run in runs if run in entries],
        [run for run in runs if run in entries],
        loc='outside upper center',
        ncols=columns,
        frameon=False,
    )
    save_figure(figure, path)
    return shown


def _draw_curve(
    axes: Any,
    curve: Sequence[tuple[int, float]],
    label: str,
    colour: str,
    smoothing: float,
    line: str = '-',
) -> None:
    steps = [step for step, _ in curve]
    values = [value for _, value in curve]
    window = max(1, round(smoothing * len(values)))
    if window > 1:
        axes.plot(steps, values, color=colour, alpha=0.25, linewidth=1)
    kept = smooth(values, window)
    axes.plot(steps, kept, color=colour, linewidth=2, linestyle=line, label=label)
