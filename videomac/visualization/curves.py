"""Loss curves from the log of a run."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

__all__ = ['Scalars', 'plot_losses', 'read_scalars']

#: Name of a scalar and its values as (iteration, value), in the order of the log.
Scalars = dict[str, list[tuple[int, float]]]

# Colours of Okabe and Ito, which people tell apart whatever their colour vision.
CURVES = {
    'loss': ('total', '#000000'),
    'loss_online': ('online, frame 1 ($L_o$)', '#0072B2'),
    'loss_target': ('target, frame 2 ($L_t$)', '#D55E00'),
    'loss_consistency': (r'consistency ($\gamma L_c$)', '#009E73'),
}
SMOOTHING = 0.08  # width of the smoothing window as a share of the curve


def read_scalars(path: str | Path) -> Scalars:
    """Read what mmengine's LocalVisBackend wrote.

    Args:
        path: ``<work_dir>/<timestamp>/vis_data/scalars.json``: a JSON object a line,
            each with a ``step``. Lines that are none, such as the last one of a run
            that was killed while writing, are counted, reported and passed over.

    Returns:
        For each scalar its steps and values.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: No line can be read.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(
            f"there is no log '{file}'; expected "
            '<work_dir>/<timestamp>/vis_data/scalars.json, which a run writes from its '
            'first log interval on if its vis_backends include LocalVisBackend'
        )
    scalars: Scalars = {}
    bad: list[int] = []
    lines = file.read_text(encoding='utf-8', errors='replace').splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            step = int(record['step'])
        except (ValueError, KeyError, TypeError):
            bad.append(number)
            continue
        for name, value in record.items():
            if name != 'step' and isinstance(value, (int, float)):
                scalars.setdefault(name, []).append((step, float(value)))
    if bad:
        print_log(
            f'{file}: passed over {len(bad)} of {len(lines)} lines that are no JSON '
            f'object with a step (first: line {bad[0]})',
            'current',
            logging.WARNING,
        )
    if not scalars:
        raise ValueError(f"'{file}' holds no scalars: was it written by a training run?")
    return scalars


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


def plot_losses(scalars: Scalars, path: str | Path) -> None:
    """Draw the losses of a run, smoothed over faint raw lines.

    The consistency loss, much smaller than the others, has a panel of its own.

    Args:
        scalars: From :func:`read_scalars`, with some of ``loss``, ``loss_online``,
            ``loss_target`` and ``loss_consistency``.
        path: Picture to write, such as ``losses.png``; its folder is made where it is
            missing.

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
    figure = _new_figure(len(panels))
    for axes, names in zip(figure.axes, panels, strict=True):
        for name in names:
            _draw_curve(axes, scalars[name], *CURVES[name])
        axes.set_ylim(bottom=0)
        axes.set_xlabel('iteration')
        axes.set_ylabel('loss')
        axes.grid(color='#dddddd', linewidth=0.6)
        axes.spines[['top', 'right']].set_visible(False)
        axes.legend(frameon=False, loc='lower right' if len(names) == 1 else 'best')
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _new_figure(columns: int) -> Any:
    """Make a figure with panels side by side, without touching pyplot's state.

    Raises:
        ImportError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            'drawing loss curves needs matplotlib, which cannot be imported '
            f'({error}). Install it: pip install matplotlib'
        ) from error
    figure = Figure(figsize=(4.4 * columns, 3.1), dpi=110, layout='constrained')
    FigureCanvasAgg(figure)
    figure.subplots(1, columns)
    return figure


def _draw_curve(
    axes: Any, curve: Sequence[tuple[int, float]], label: str, colour: str
) -> None:
    steps = [step for step, _ in curve]
    values = [value for _, value in curve]
    window = max(1, round(SMOOTHING * len(values)))
    axes.plot(steps, values, color=colour, alpha=0.25, linewidth=1)
    axes.plot(steps, smooth(values, window), color=colour, linewidth=2, label=label)
