"""Scores between the cells of a query and of its references, as far as windows reach.

A strip is a few columns of the query, all rows. What its windows see of a reference are
the columns up to the reach to either side, and there each row of keys is seen by the
query rows up to the reach above and below alone. So the scores of a strip are one batch
of matrix products, a key row each: 12 % of the product of all cells with all cells for
maps of 60 by 104 and a reach of 12, where 8 % lie inside of the windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from .candidates import BestCandidates
from .settings import Window

__all__ = [
    'STRIP_WIDTH',
    'StripPlan',
    'score_everywhere',
    'score_in_windows',
    'seen',
    'split',
]

#: Columns of a strip: narrow ones waste less work, wide ones are fewer.
STRIP_WIDTH = dict(cpu=8, cuda=26)


def split(size: int, step: int) -> list[slice]:
    """Divide ``range(size)`` into pieces of nearly equal length, at most ``step``."""
    count = -(-size // step)
    ends = [size * i // count for i in range(count + 1)]
    return [slice(*pair) for pair in pairwise(ends)]


def seen(span: slice, reach: int, size: int) -> slice:
    """Tell which part of ``range(size)`` the windows of a span of cells cover."""
    return slice(max(0, span.start - reach), min(size, span.stop + reach))


class StripPlan(NamedTuple):
    """Largest width of a strip, and number of references to score at a time."""

    width: int
    references: int

    @classmethod
    def fit(
        cls, shape: Sequence[int], reach: int, references: int, budget: int, width: int
    ) -> StripPlan:
        """Choose a plan whose working memory stays within a budget.

        Where not even a strip of one column and one reference does, that is the plan.

        Args:
            shape: h, w, C of the features.
            reach: Of the window.
            references: Number of references.
            budget: Bytes.
            width: Width to begin with.
        """
        height, columns, channels = shape
        width = min(width, columns)
        while True:
            held = min(columns, width + 2 * reach)
            high = min(reach, height - 1)
            # Keys, scores, and what picks the best among them, for each reference.
            keys = height * held * channels
            scores = height * held * (2 * high + 1) * width
            picked = 2 * (height + 2 * high) * (2 * high + 1) * width
            count = budget // (4 * (keys + scores + picked))
            if count or width == 1:
                return cls(width, max(1, min(references, count)))
            width = -(-width // 2)


class _Workspace:
    """Memory that successive strips share: fresh pages cost time."""

    def __init__(self, device: torch.device) -> None:
        self.memory = torch.empty(0, device=device)

    def take(self, *shape: int) -> Tensor:
        """Get a tensor whose values are left over from the last use."""
        count = torch.Size(shape).numel()
        if self.memory.numel() < count:
            self.memory = self.memory.new_empty(0)  # let go before taking more
            self.memory = torch.empty(count, device=self.memory.device)
        return self.memory[:count].view(shape)


def score_in_windows(
    best: BestCandidates,
    query: Tensor,
    keys: Sequence[Tensor],
    first: int,
    window: Window,
    plan: StripPlan,
) -> None:
    """Bring the cells of references that lie in the windows among the candidates.

    Args:
        best: The candidates so far.
        query: Features [h, w, C].
        keys: Features [h, w, C] of every reference.
        first: Number of the first of them.
        window: A window with a reach.
        plan: How to go about it.
    """
    height, width, channels = query.shape
    assert window.reach is not None
    high = min(window.reach, height - 1)
    slots = 2 * high + 1
    strips, products = _Workspace(query.device), _Workspace(query.device)
    for start in range(0, len(keys), plan.references):
        chunk = keys[start : start + plan.references]
        for across in split(width, plan.width):
            wide = seen(across, window.reach, width)
            cols, cells = wide.stop - wide.start, across.stop - across.start
            strip = strips.take(height, len(chunk), cols, channels)
            for part, features in zip(strip.unbind(1), chunk, strict=True):
                part.copy_(features[:, wide])
            # For every key row the query rows around it, zeros beyond the edges.
            rows = torch.zeros(height + 2 * high, cells, channels, device=query.device)
            rows[high : high + height] = query[:, across]
            around = rows.as_strided(
                (height, channels, slots * cells), (cells * channels, 1, channels)
            )
            scores = products.take(height, len(chunk) * cols, slots * cells)
            bias = _bias(across, wide, high, window, query.device)
            bias = bias.repeat(len(chunk), 1).expand_as(scores)
            torch.baddbmm(bias, strip.flatten(1, 2), around, out=scores)
            scores = scores.view(height, len(chunk), cols, slots, cells)
            values, number, row, col = _pick(scores, best.count)
            number, col = number + first + start, col + wide.start
            best.add(across, values, (number * height + row) * width + col)


def _bias(
    across: slice, wide: slice, high: int, window: Window, device: torch.device
) -> Tensor:
    """Make what hides cells outside of the windows when added to their scores.

    The same for every key row: 0 inside and -inf outside, float32
    [columns of keys, query rows around the key row * columns of the query].
    """
    cols, query_cols, row = (
        torch.arange(s.start, s.stop, device=device)
        for s in (wide, across, slice(-high, high + 1))
    )
    inside = window.inside(-row[:, None], cols[:, None, None] - query_cols)
    bias = torch.zeros(inside.shape, device=device).masked_fill_(~inside, -torch.inf)
    return bias.flatten(1)


def _pick(scores: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Find the highest scores of every query cell of a strip.

    In two steps, since selecting from long lists is slow: the n highest lie in the n
    rows of keys (of all references) with the highest maxima.

    Args:
        scores: Of every key row with the query rows around it,
            [h, R, columns of keys, 2 * high + 1, columns of the query].
        count: Number n.

    Returns:
        Scores [n, h * columns of the query] in falling order and the reference, row and
        column (from the strip's first) of each; fewer than n if there are fewer.
    """
    height, references, cols, slots, cells = scores.shape
    high = slots // 2
    device = scores.device
    # The best of row y + dy for cell (y, x) is padded[y + high + dy, r, high - dy, x].
    size = (height + 2 * high, references, slots, cells)
    padded = scores.new_full(size, -torch.inf)
    padded[high : high + height] = scores.amax(2)
    lengths = padded.stride()
    around = padded.as_strided(
        (height, cells, slots, references),
        (lengths[0], lengths[3], lengths[0] - lengths[2], lengths[1]),
        2 * high * lengths[2],
    )
    maxima, line = around.flatten(2).flatten(0, 1).topk(min(count, slots * references), 1)
    slot, number = line // references, line % references
    place = torch.arange(height * cells, device=device)[:, None]
    row = (place // cells + slot - high).clamp(0, height - 1)
    at = (row * references + number) * cols
    at = ((at * slots) + slots - 1 - slot) * cells + place % cells
    col = torch.arange(cols, device=device)
    found = scores.flatten()[at[..., None] + col * (slots * cells)]
    found = found.masked_fill_(maxima[..., None] == -torch.inf, -torch.inf)
    values, where = found.flatten(1).topk(min(count, found[0].numel()), 1)
    line, col = where // cols, where % cols
    return values.T, number.gather(1, line).T, row.gather(1, line).T, col.T


def score_everywhere(
    best: BestCandidates, query: Tensor, keys: Sequence[Tensor], first: int, budget: int
) -> None:
    """Bring all cells of references among the candidates.

    Args:
        best: The candidates so far.
        query: Features [h, w, C].
        keys: Features [h, w, C] of every reference.
        first: Number of the first of them.
        budget: Bytes of working memory; at least the scores of one column of the query
            are needed.
    """
    height, width, channels = query.shape
    step = max(1, budget // (4 * height * (height * width + channels)))
    for number, features in enumerate(keys, first):
        flat = features.reshape(-1, channels).float()
        for across in split(width, step):
            cells = query[:, across].reshape(-1, channels).float()
            lines = (flat @ cells.T).view(height, width, -1)
            # As in _pick: the n best lie in the n rows with the highest maxima.
            row = lines.amax(1).topk(min(best.count, height), 0).indices
            found = lines.gather(0, row[:, None].expand(-1, width, -1)).flatten(0, 1)
            values, where = found.topk(min(best.count, len(found)), 0)
            cell = row.gather(0, where // width) * width + where % width
            best.add(across, values, cell + number * height * width)
