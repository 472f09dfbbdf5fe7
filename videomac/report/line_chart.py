"""Curves as SVG that takes its colours from the page around it."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence

from ..visualization.curves import SMOOTHING, smooth

__all__ = ['line_chart', 'nice_ticks']

WIDTH, HEIGHT = 360, 220  # units of the drawing; about pixels on a phone
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 10, 34
MOST_POINTS = 240  # of a curve; more are averaged in groups
COLOURS = 7  # classes c0..c6 of the style sheet

Curve = Sequence[tuple[int, float]]


def nice_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round values in a range: multiples of 1, 2 or 5 times a power of ten.

    Args:
        low: Lower end.
        high: Upper end, above it.
        most: How many there may be, at least 2.

    Returns:
        Those within the range, rising.
    """
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for factor in (1, 2, 5, 10, 20):
        step = factor * power
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            return [k * step for k in range(first, last + 1)]
    raise AssertionError('a step of 20 leaves too many')


def line_chart(
    curves: Mapping[str, Curve],
    label: str,
    from_zero: bool = False,
    smoothing: float = SMOOTHING,
) -> str:
    """Draw curves over iterations, smoothed over faint raw lines.

    Args:
        curves: Steps and values by name; values that are no numbers are left out.
        label: What is shown, read out to those who do not see it.
        from_zero: Whether the axis of the values begins at zero.
        smoothing: Width of the smoothing window as a share of a curve.

    Returns:
        An ``svg`` element; strokes have the classes ``c0``, ``c1``, ..., axes ``axis``
        and ``grid``. Empty if there is nothing to draw.
    """
    kept = {
        name: thinned([p for p in curve if math.isfinite(p[1])])
        for name, curve in curves.items()
    }
    points = [point for curve in kept.values() for point in curve]
    if not points:
        return ''
    x_low, x_high = _range([x for x, _ in points], False)
    y_low, y_high = _range([y for _, y in points], from_zero)
    wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + wide * (x - x_low) / (x_high - x_low),
            TOP + tall * (y_high - y) / (y_high - y_low),
        )

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{html.escape(label)}">'
    ]
    for tick in nice_ticks(y_low, y_high):
        _, y = place(x_low, tick)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}h{wide}"/>')
        parts.append(
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_text(tick)}</text>'
        )
    for tick in nice_ticks(x_low, x_high):
        x, _ = place(tick, y_low)
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT - 18}" text-anchor="middle">{_text(tick)}'
            '</text>'
        )
    parts.append(
        f'<text x="{LEFT + wide / 2}" y="{HEIGHT - 3}" text-anchor="middle">iteration'
        '</text>'
    )
    parts.append(f'<path class="axis" d="M{LEFT} {TOP}v{tall}h{wide}"/>')
    for i, curve in enumerate(kept.values()):
        window = max(1, round(smoothing * len(curve)))
        smoothed = smooth([y for _, y in curve], window)
        lines = [('', [(x, v) for (x, _), v in zip(curve, smoothed, strict=True)])]
        if window > 1:
            lines.insert(0, (' raw', list(curve)))
        for kind, line in lines:
            places = ' '.join('{:.1f},{:.1f}'.format(*place(*point)) for point in line)
            style = f'c{i % COLOURS}{kind}{" dashed" if i >= COLOURS else ""}'
            if len(line) > 1:
                parts.append(f'<polyline class="{style}" points="{places}"/>')
            elif line:
                x, y = place(*line[0])
                parts.append(f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>')
    return ''.join([*parts, '</svg>'])


def thinned(curve: Curve) -> list[tuple[float, float]]:
    """Average neighbours in groups of one size until few enough are left."""
    size = -(-len(curve) // MOST_POINTS) or 1
    groups = [curve[i : i + size] for i in range(0, len(curve), size)]
    return [
        (sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group))
        for group in groups
    ]


def _range(values: Sequence[float], from_zero: bool) -> tuple[float, float]:
    """Ends of an axis; never one value."""
    low, high = min(values), max(values)
    if from_zero and low > 0:
        low = 0.0
    if high - low > 1e-12 * max(abs(high), abs(low)):
        return low, high
    room = abs(high) / 10 or 1.0
    return low - room, high + room


def _text(value: float) -> str:
    """A tick as people write it."""
    if value == 0:
        return '0'
    if abs(value) >= 10_000:
        return f'{value / 1000:g}k'
    if abs(value) < 1e-3:
        return f'{value:.0e}'.replace('e-0', 'e-')
    return f'{value:.6g}'
