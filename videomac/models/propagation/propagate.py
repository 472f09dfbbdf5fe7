"""Label propagation: every cell takes its label from the cells it resembles most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .candidates import BestCandidates, count_copies, threshold, vote_weights
from .scoring import (
    STRIP_WIDTH,
    StripPlan,
    score_everywhere,
    score_in_windows,
    seen,
    split,
)
from .settings import SINGLE, Copies, PropagationSettings, Window

__all__ = ['MEMORY_BUDGET', 'Reference', 'propagate']

#: Bytes of working memory that a call takes by default.
MEMORY_BUDGET = 128 * 2**20
#: Side of the tiles in which cells with ties are worked off.
TIED_SIDE = 12


@dataclass(frozen=True, eq=False)
class Reference:
    """A frame whose labels are known.

    Args:
        features: Of unit length at every cell (or zero), [h, w, C], any float type.
        labels: Map of every object, [K, h, w].
        copies: How often its cells count; see :class:`Copies`.
    """

    features: Tensor
    labels: Tensor
    copies: Copies = SINGLE


@torch.no_grad()
def propagate(
    query: Tensor,
    references: Sequence[Reference],
    settings: PropagationSettings,
    memory_budget: int = MEMORY_BUDGET,
    strip_width: int | None = None,
) -> Tensor:
    r"""Predict the labels of a frame from those of its references.

    For the query cell m, over the cells n of the references r inside the window,

    .. math::
        \hat L_m = \sum_{(r, n) \in \text{top}_k} \frac{w_{rn}}{\sum w} L_{rn}, \qquad
        w_{rn} = \exp(\langle k_{rn}, q_m \rangle / T)

    as in contrastive random walks (arXiv:2006.14613) and DINO (arXiv:2104.14294). This
    is exact, though the product of all cells with all cells is never formed. Scores are
    float32, whatever type the features have.

    Args:
        query: Features of the frame, of unit length at every cell (or zero), [h, w, C].
        references: At least one, of the same size, on the device of the query.
        settings: Its window, top-k, temperature and rule for ties are used.
        memory_budget: Bytes for strips and scores; see :meth:`StripPlan.fit`.
        strip_width: Columns of a strip in cells; by default as suits the device.

    Returns:
        Map of every object, float32 [K, h, w]; zero at a cell without any candidate.

    Raises:
        ValueError: If there is no reference, or shapes do not agree.
    """
    _check(query, references, memory_budget)
    height, width, _ = query.shape
    window = Window(settings.window, settings.radius)
    best = BestCandidates(settings.topk + 1, (height, width), query.device)
    references = sorted(references, key=lambda each: _reach(each, window) is None)
    keys = [each.features for each in references]
    bound = sum(_reach(each, window) is not None for each in references)
    if bound:
        assert window.reach is not None
        strip = strip_width or STRIP_WIDTH.get(query.device.type, STRIP_WIDTH['cuda'])
        plan = StripPlan.fit(query.shape, window.reach, bound, memory_budget, strip)
        score_in_windows(best, query, keys[:bound], 0, window, plan)
    score_everywhere(best, query, keys[bound:], bound, memory_budget)

    copies = count_copies(
        best.cells, [r.copies for r in references], (height, width), window
    )
    kth = threshold(best.scores, copies, settings.topk)
    weights = vote_weights(best.scores, copies, kth, settings)
    labels = torch.cat([r.labels.flatten(1).T.float() for r in references])
    out = F.embedding_bag(
        best.cells.flatten(1).T,
        labels,
        per_sample_weights=weights.flatten(1).T,
        mode='sum',
    ).view(height, width, -1)

    # The list ends in a score equal to the k-th: there may be more such candidates.
    tied = (best.scores[-1] == kth) & kth.isfinite()
    if tied.any():
        _vote_with_ties(out, tied, query, references, settings)
    return out.permute(2, 0, 1).contiguous()


def _reach(reference: Reference, window: Window) -> int | None:
    """Reach of the window in a reference, None where there is none."""
    return None if reference.copies.outside else window.reach


def _vote_with_ties(
    out: Tensor,
    tied: Tensor,
    query: Tensor,
    references: Sequence[Reference],
    settings: PropagationSettings,
) -> None:
    """Set the labels of tied cells, from all candidates that they see.

    Args:
        out: Labels [h, w, K], written to.
        tied: Cells with more candidates than their list could hold, bool [h, w].
        query: Features [h, w, C].
        references: The references.
        settings: As in :func:`propagate`.
    """
    window = Window(settings.window, settings.radius)
    height, width = tied.shape
    for down in split(height, TIED_SIDE):
        for across in split(width, TIED_SIDE):
            row, col = tied[down, across].nonzero(as_tuple=True)
            if not len(row):
                continue
            row, col = row + down.start, col + across.start
            scores, copies, labels = [], [], []
            for each in references:
                reach = _reach(each, window)
                reach = max(height, width) if reach is None else reach
                high, wide = seen(down, reach, height), seen(across, reach, width)
                dy = torch.arange(high.start, high.stop, device=row.device)[:, None] - row
                dx = torch.arange(wide.start, wide.stop, device=row.device)[:, None] - col
                inside = window.inside(dy[:, None], dx).flatten(0, 1)
                counts = torch.where(inside, each.copies.inside, each.copies.outside)
                keys = each.features[high, wide].flatten(0, 1).float()
                product = keys @ query[row, col].float().T
                scores.append(product.masked_fill_(counts == 0, -torch.inf))
                copies.append(counts)
                labels.append(each.labels[:, high, wide].flatten(1).T.float())
            out[row, col] = _vote_of_all(
                torch.cat(scores), torch.cat(copies), torch.cat(labels), settings
            )


def _vote_of_all(
    scores: Tensor, copies: Tensor, labels: Tensor, settings: PropagationSettings
) -> Tensor:
    """Labels [Q, K] of cells from the scores and copies [M, Q] and labels [M, K]."""
    highest, where = scores.topk(min(settings.topk, len(scores)), 0)
    kth = threshold(highest, copies.gather(0, where), settings.topk)
    return vote_weights(scores, copies, kth, settings).T @ labels


def _check(query: Tensor, references: Sequence[Reference], memory_budget: int) -> None:
    """Check the arguments of :func:`propagate`."""
    if not references:
        raise ValueError('propagation needs at least one reference, got none')
    if query.dim() != 3 or 0 in query.shape:
        raise ValueError(
            f'query must be features [h, w, C] of at least one cell, got '
            f'{tuple(query.shape)}'
        )
    if memory_budget <= 0:
        raise ValueError(f'memory_budget must be positive bytes, got {memory_budget}')
    objects = references[0].labels.shape[:1]
    for number, each in enumerate(references):
        if each.features.shape != query.shape:
            raise ValueError(
                f'reference {number} has features {tuple(each.features.shape)} and the '
                f'query {tuple(query.shape)}; they must be equal, [h, w, C]'
            )
        if each.labels.shape != (*objects, *query.shape[:2]):
            raise ValueError(
                f'reference {number} has labels {tuple(each.labels.shape)}; they must be '
                f'[K, h, w] = {(*objects, *query.shape[:2])}, K as in reference 0'
            )
        if each.copies.inside < 1 or each.copies.outside < 0:
            raise ValueError(
                f'reference {number} has {each.copies}; inside must be at least 1, '
                'outside at least 0'
            )
