"""Curves as SVG that takes its colours from the page around it."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal

from ..visualization.curves import SMOOTHING, smooth

__all__ = ['line_chart', 'nice_ticks', 'tick_labels']

WIDTH, HEIGHT = 360, 220  # units of the drawing; about pixels on a phone
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 10, 34
LETTER = 7  # width of a digit
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


def tick_labels(ticks: Sequence[float]) -> list[str]:
    """Write ticks as people do, to the digit in which they differ.

    Args:
        ticks: What :func:`nice_ticks` has found, two or more.

    Returns:
        ``0.15``, ``20k`` or ``1.5e-4``, no two the same.
    """
    step = Decimal(f'{ticks[1] - ticks[0]:.0e}')
    return [_text(Decimal(tick).quantize(step).normalize()) for tick in ticks]


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
    x_ticks, y_ticks = nice_ticks(x_low, x_high), nice_ticks(y_low, y_high)
    left = max(LEFT, 10 + LETTER * max(map(len, tick_labels(y_ticks))))
    wide, tall = WIDTH - left - RIGHT, HEIGHT - TOP - BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            left + wide * (x - x_low) / (x_high - x_low),
            TOP + tall * (y_high - y) / (y_high - y_low),
        )

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{html.escape(label)}">',
        *_axes(
            [(place(x, y_low)[0], text) for x, text in _labelled(x_ticks)],
            [(place(x_low, y)[1], text) for y, text in _labelled(y_ticks)],
            left,
        ),
    ]
    for i, curve in enumerate(kept.values()):
        style = f'c{i % COLOURS}{" dashed" if i >= COLOURS else ""}'
        window = max(1, round(smoothing * len(curve)))
        if window > 1:
            parts.append(_line([place(*point) for point in curve], f'{style} raw'))
        smoothed = smooth([y for _, y in curve], window)
        places = [place(x, v) for (x, _), v in zip(curve, smoothed, strict=True)]
        parts.append(_line(places, style))
    return ''.join([*parts, '</svg>'])


def _labelled(ticks: Sequence[float]) -> list[tuple[float, str]]:
    """Ticks with their labels."""
    return list(zip(ticks, tick_labels(ticks), strict=True))


def _axes(
    columns: Sequence[tuple[float, str]], rows: Sequence[tuple[float, str]], left: int
) -> list[str]:
    """Draw the axes, a line of the grid at each row, and the labels at their places."""
    wide, tall = WIDTH - left - RIGHT, HEIGHT - TOP - BOTTOM
    parts = []
    for y, text in rows:
        parts.append(f'<path class="grid" d="M{left} {y:.1f}h{wide}"/>')
        parts.append(
            f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
        )
    below = [(x, HEIGHT - 18, text) for x, text in columns]
    for x, y, text in [*below, (left + wide / 2, HEIGHT - 3, 'iteration')]:
        parts.append(f'<text x="{x:.1f}" y="{y}" text-anchor="middle">{text}</text>')
    return [*parts, f'<path class="axis" d="M{left} {TOP}v{tall}h{wide}"/>']


def _line(places: Sequence[tuple[float, float]], style: str) -> str:
    """Draw a line through places of the drawing; a single one is a point."""
    if len(places) == 1:
        ((x, y),) = places
        return f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
    points = ' '.join(f'{x:.1f},{y:.1f}' for x, y in places)
    return f'<polyline class="{style}" points="{points}"/>' if places else ''


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


def _text(value: Decimal) -> str:
    """A number without a digit too many, with ``k`` or a power of ten if it is long."""
    if not value:
        return '0'
    power = value.adjusted()
    if -4 < power < 4:
        return f'{value:f}'
    if 4 <= power < 7:
        return f'{value / 1000:f}k'
    return f'{value:e}'.replace('+', '')
