"""The best candidates of every query cell, and their votes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .settings import Copies, PropagationSettings, Window
from .tiles import Area, positions

__all__ = ['BestCandidates', 'count_copies', 'pick_best', 'threshold', 'vote_weights']


class BestCandidates:
    """The highest scores of every cell of a query, found tile by tile.

    Args:
        count: Number n of candidates to keep.
        size: h, w of the maps.
        device: Where they lie.

    Attributes:
        scores: float32 [n, h, w] in falling order, -inf where there are fewer.
        cells: int64 [n, h, w], numbers ``(reference * h + row) * w + column``; any valid
            number where there are fewer.
    """

    def __init__(self, count: int, size: tuple[int, int], device: torch.device) -> None:
        self.scores = torch.full((count, *size), -torch.inf, device=device)
        self.cells = torch.zeros((count, *size), dtype=torch.long, device=device)

    def add(self, area: Area, block: Area, references: range, scores: Tensor) -> None:
        """Bring the scores of a tile into its lists.

        Args:
            area: The tile.
            block: What it sees of each reference.
            references: Numbers of R references that follow each other.
            scores: float32 [R, rows, cols, Q].
        """
        count, height, width = self.scores.shape
        rows, cols = area
        values, where = pick_best(scores, count)
        row, col = positions(block, scores.device)
        # Made on the device: a list would be copied there, and waited for.
        number = torch.arange(references.start, references.stop, device=scores.device)
        cells = (number[:, None] * (height * width) + row * width + col).flatten()[where]

        mine, my_cells = self.scores[:, rows, cols], self.cells[:, rows, cols]
        values, order = torch.cat([mine.flatten(1), values]).topk(count, 0)
        my_cells.copy_(
            torch.cat([my_cells.flatten(1), cells]).gather(0, order).view_as(my_cells)
        )
        mine.copy_(values.view_as(mine))


def pick_best(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Find the highest scores of every query cell.

    In two steps, since selecting from long lists is slow: the n highest scores lie in the
    n rows (of all references) with the highest maxima.

    Args:
        scores: [R, rows, cols, Q].
        count: Number n; fewer are returned if there are fewer.

    Returns:
        Scores [n, Q] in falling order and their positions in ``R * rows * cols``.
    """
    lines = scores.flatten(0, 1)
    cols = lines.shape[1]
    best = lines.amax(1).topk(min(count, len(lines)), 0).indices
    found = lines.gather(0, best[:, None].expand(-1, cols, -1)).flatten(0, 1)
    values, where = found.topk(min(count, len(found)), 0)
    return values, best.gather(0, where // cols) * cols + where % cols


def count_copies(
    cells: Tensor, copies: Sequence[Copies], size: tuple[int, int], window: Window
) -> Tensor:
    """Count how often candidates stand in the list of a query cell.

    Args:
        cells: Candidates [n, h, w] of every query cell, numbered as in
            :class:`BestCandidates`.
        copies: Of every reference.
        size: h, w of the maps.
        window: The window of the procedure.

    Returns:
        int64 [n, h, w].
    """
    height, width = size
    number, place = cells // (height * width), cells % (height * width)
    row, col = (
        index.view(height, width)
        for index in positions((slice(0, height), slice(0, width)), cells.device)
    )
    table = torch.tensor([(c.outside, c.inside) for c in copies], device=cells.device)
    inside = window.inside(place // width - row, place % width - col)
    return table[number, inside.long()]


def threshold(scores: Tensor, copies: Tensor, topk: int) -> Tensor:
    """Score of the k-th candidate, copies counted.

    Args:
        scores: [n, ...] in falling order.
        copies: How often each counts, [n, ...].
        topk: k.

    Returns:
        [...]; the last score where there are fewer candidates.
    """
    before = (copies.cumsum(0) < topk).sum(0).clamp(max=len(scores) - 1)
    return scores.gather(0, before[None])[0]


def vote_weights(
    scores: Tensor, copies: Tensor, kth: Tensor, settings: PropagationSettings
) -> Tensor:
    """Weigh the candidates that may vote: exp(score / T), summing to 1.

    Args:
        scores: [n, ...], every candidate that scores at least ``kth`` among them.
        copies: How often each counts, [n, ...].
        kth: Score of the k-th candidate, [...].
        settings: Top-k, temperature and rule for ties.

    Returns:
        [n, ...]; all zero where there is no candidate.
    """
    above, tied = copies * (scores > kth), copies * (scores == kth)
    votes = (above + tied).float()
    if settings.ties == 'share':
        left = settings.topk - above.sum(0)
        votes = above + tied * (left / tied.sum(0).clamp(min=1)).clamp(max=1)
    highest = scores.amax(0)
    highest = highest.where(highest.isfinite(), 0)  # no candidate: -inf - 0, not NaN
    weights = votes * ((scores - highest) / settings.temperature).exp()
    return weights / weights.sum(0).clamp(min=torch.finfo(weights.dtype).tiny)
