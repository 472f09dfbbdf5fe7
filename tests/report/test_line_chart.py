"""Ticks are round and within their range; charts hold whatever a log does."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from videomac.report.line_chart import line_chart, nice_ticks, thinned, tick_labels


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e7), st.integers(2, 8))
def test_ticks(low: float, span: float, most: int) -> None:
    """Multiples of 1, 2 or 5 times a power of ten, evenly, as close as allowed."""
    high = low + span
    ticks = nice_ticks(low, high, most)
    assert 1 <= len(ticks) <= most
    assert all(low - 1e-6 * span <= tick <= high + 1e-6 * span for tick in ticks)
    if len(ticks) > 1:
        step = ticks[1] - ticks[0]
        digits = step / 10 ** math.floor(math.log10(step * (1 + 1e-6)))
        assert min(abs(digits - d) for d in (1, 2, 5)) < 1e-3


@pytest.mark.parametrize(
    ('low', 'high', 'expected'),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0, 260, [0, 50, 100, 150, 200, 250])],
)
def test_known_ticks(low: float, high: float, expected: list[float]) -> None:
    assert nice_ticks(low, high, 6) == pytest.approx(expected)


def value_of(label: str) -> float:
    """What a reader takes a label for."""
    return float(label[:-1]) * 1000 if label.endswith('k') else float(label)


@given(st.floats(-1e6, 1e6), st.floats(-9, 9), st.floats(1, 10))
def test_labels_are_their_ticks(low: float, power: float, factor: float) -> None:
    """Each says where its tick is, to far less than the way to the next."""
    span = max(factor * 10**power, 1e-10 * abs(low))
    ticks = nice_ticks(low, low + span)
    labels = tick_labels(ticks)
    step = ticks[1] - ticks[0]
    read = [value_of(label) for label in labels]
    assert np.abs(np.subtract(read, ticks)).max() < 0.01 * step
    assert len(set(labels)) == len(ticks)


@pytest.mark.parametrize(
    ('low', 'high', 'expected'),
    [
        (0, 1.5e-4, '0 5e-5 1e-4 1.5e-4'),
        (0, 2e-4, '0 5e-5 1e-4 1.5e-4 2e-4'),
        (0.7012345, 0.7012347, '0.7012345 0.70123455 0.7012346 0.70123465 0.7012347'),
        (-0.1, 0.2, '-0.1 0 0.1 0.2'),
        (0, 260, '0 100 200'),
        (8000, 12000, '8000 9000 10k 11k 12k'),
        (0, 2e30, '0 5e29 1e30 1.5e30 2e30'),
    ],
)
def test_known_labels(low: float, high: float, expected: str) -> None:
    assert tick_labels(nice_ticks(low, high)) == expected.split()


def test_long_labels_have_room() -> None:
    """They begin within the drawing, and the curve beside them."""
    svg = line_chart({'a': [(0, 0.70123456781), (10, 0.70123456785)]}, 'x')
    texts = ElementTree.fromstring(svg).findall('text[@text-anchor="end"]')
    assert max(len(text.text or '') for text in texts) > 10
    assert all(float(text.attrib['x']) >= 6 * len(text.text or '') for text in texts)


@pytest.mark.parametrize(
    'curve',
    [
        [(1, 2.0)],
        [(1, 0.0), (2, 0.0)],
        [(1, math.nan), (2, 3.0), (3, math.inf)],
        [(k, -1e-9 * k) for k in range(5000)],
        [(0, 1e30), (1, -1e30)],
    ],
)
def test_any_curve_is_drawn(curve: list[tuple[int, float]]) -> None:
    """Well-formed, within the drawing, and without a word that is no number."""
    svg = line_chart({'a & b': curve}, 'what <it> is')
    root = ElementTree.fromstring(svg)
    assert root.attrib['aria-label'] == 'what <it> is'
    _, _, width, height = map(float, root.attrib['viewBox'].split())
    lines = root.findall('polyline') + root.findall('circle')
    assert lines
    for line in root.findall('polyline'):
        for pair in line.attrib['points'].split():
            x, y = map(float, pair.split(','))
            assert 0 <= x <= width
            assert 0 <= y <= height
        assert len(line.attrib['points'].split()) <= 240


def test_nothing_to_draw() -> None:
    assert line_chart({}, 'x') == ''
    assert line_chart({'a': [(1, math.nan)]}, 'x') == ''


def test_thinning_keeps_the_mean() -> None:
    curve = [(k, float(k * k)) for k in range(480)]
    few = thinned(curve)
    assert len(few) == 240
    assert sum(y for _, y in few) / 240 == pytest.approx(sum(y for _, y in curve) / 480)
    assert thinned(curve[:9]) == curve[:9]
