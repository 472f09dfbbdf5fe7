"""The best candidates of every query cell, and their votes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .settings import Copies, PropagationSettings, Window

__all__ = ['BestCandidates', 'count_copies', 'threshold', 'vote_weights']


class BestCandidates:
    """The highest scores of every cell of a query, found part by part.

    Args:
        count: Number n of candidates to keep.
        size: h, w of the maps.
        device: Where they lie.

    Attributes:
        count: n.
        scores: float32 [n, h, w] in falling order, -inf where there are fewer.
        cells: int64 [n, h, w], numbers ``(reference * h + row) * w + column``; any valid
            number where there are fewer.
    """

    def __init__(self, count: int, size: tuple[int, int], device: torch.device) -> None:
        self.count = count
        self.scores = torch.full((count, *size), -torch.inf, device=device)
        self.cells = torch.zeros((count, *size), dtype=torch.long, device=device)

    def add(self, across: slice, scores: Tensor, cells: Tensor) -> None:
        """Bring candidates into the lists of some columns.

        Args:
            across: The columns.
            scores: Of m candidates for every cell, row by row, float32 [m, cells].
            cells: Their numbers, int64 [m, cells].
        """
        mine, my_cells = self.scores[:, :, across], self.cells[:, :, across]
        values, order = torch.cat([mine.flatten(1), scores]).topk(self.count, 0)
        cells = torch.cat([my_cells.flatten(1), cells]).gather(0, order)
        mine.copy_(values.view_as(mine))
        my_cells.copy_(cells.view_as(my_cells))


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
    row = torch.arange(height, device=cells.device)[:, None]
    col = torch.arange(width, device=cells.device)
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
        votes = above + tied * (left / tied.sum(0).clamp(min=1))
    highest = scores.amax(0)
    highest = highest.where(highest.isfinite(), 0)  # no candidate: -inf - 0, not NaN
    weights = votes * ((scores - highest) / settings.temperature).exp()
    return weights / weights.sum(0).clamp(min=torch.finfo(weights.dtype).tiny)
