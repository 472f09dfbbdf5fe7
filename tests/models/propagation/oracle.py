"""Label propagation stated cell by cell, for maps of a few cells."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Inside = Callable[[int, int], bool]


class Listed(NamedTuple):
    """An entry of the list of references; a frame may stand in it several times."""

    features: Array  # [h, w, C]
    labels: Array  # [K, h, w]
    restricted: bool = True


def square(radius: float) -> Inside:
    """|dy| and |dx| at most r."""
    return lambda dy, dx: abs(dy) <= radius and abs(dx) <= radius


def circle(radius: float) -> Inside:
    """Nearer than r."""
    return lambda dy, dx: math.sqrt(dy**2 + dx**2) < radius


def propagate_by_loops(
    query: Array,
    listed: Sequence[Listed],
    inside: Inside,
    topk: int,
    temperature: float,
    ties: str,
) -> Array:
    """Predict [K, h, w] with one candidate list a cell, in float64."""
    height, width, _ = query.shape
    out = np.zeros((len(listed[0].labels), height, width))
    for y, x in itertools.product(range(height), range(width)):
        candidates = []
        for each in listed:
            for v, u in itertools.product(range(height), range(width)):
                if inside(v - y, u - x) or not each.restricted:
                    score = float(each.features[v, u].astype(float) @ query[y, x])
                    candidates.append((score, each.labels[:, v, u]))
        if candidates:
            out[:, y, x] = _vote(candidates, topk, temperature, ties)
    return out


def _vote(
    candidates: list[tuple[float, Array]], topk: int, temperature: float, ties: str
) -> Array:
    candidates = sorted(candidates, key=lambda each: -each[0])
    kth = candidates[min(topk, len(candidates)) - 1][0]
    above = [each for each in candidates if each[0] > kth]
    tied = [each for each in candidates if each[0] == kth]
    if ties == 'keep':
        return _mean(above + tied, temperature)
    places = min(topk, len(candidates)) - len(above)
    if len(tied) > 12:  # too many choices to list: equal shares, by their symmetry
        shared = np.mean([label for _, label in tied], axis=0)
        return _mean(above + [(kth, shared)] * places, temperature)
    choices = itertools.combinations(tied, places)
    return np.mean([_mean([*above, *choice], temperature) for choice in choices], axis=0)


def _mean(voters: Sequence[tuple[float, Array]], temperature: float) -> Array:
    highest = voters[0][0]
    weights = [math.exp((score - highest) / temperature) for score, _ in voters]
    labels = [label for _, label in voters]
    return np.average(labels, axis=0, weights=weights)
