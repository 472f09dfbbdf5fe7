"""Label propagation: every cell takes its label from the cells it resembles most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .candidates import BestCandidates, count_copies, threshold, vote_weights
from .settings import SINGLE, Copies, PropagationSettings, Window
from .tiles import TILE_SIDE, Area, TilePlan, positions, scored_tiles, seen, split

__all__ = ['MEMORY_BUDGET', 'Reference', 'propagate']

#: Bytes of working memory that a call takes by default.
MEMORY_BUDGET = 128 * 2**20


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
    tile_side: int | None = None,
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
        memory_budget: Bytes for strips and scores; see :meth:`TilePlan.fit`.
        tile_side: Side of the tiles in cells; by default as suits the device.

    Returns:
        Map of every object, float32 [K, h, w]; zero at a cell without any candidate.

    Raises:
        ValueError: If there is no reference, or shapes do not agree.
    """
    _check(query, references, memory_budget)
    height, width, _ = query.shape
    window = Window(settings.window, settings.radius)
    side = tile_side or TILE_SIDE.get(query.device.type, TILE_SIDE['cuda'])
    best = BestCandidates(settings.topk + 1, (height, width), query.device)
    references = sorted(references, key=_is_free)
    bound = sum(not _is_free(each) for each in references)
    sights = [(0, references[:bound], window)]
    sights += [(bound, references[bound:], Window(window.shape, None))]
    for first, group, sight in sights:
        keys = [each.features for each in group]
        plan = TilePlan.fit(query.shape, sight.reach, len(keys), memory_budget, side)
        for tile in scored_tiles(query, keys, sight, plan):
            numbers = range(first + tile.first, first + tile.first + len(tile.scores))
            best.add(tile.area, tile.block, numbers, tile.scores)

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
        for down in split(height, side):
            for across in split(width, side):
                _vote_with_ties(out, tied, (down, across), query, references, settings)
    return out.permute(2, 0, 1).contiguous()


def _is_free(reference: Reference) -> bool:
    """Whether a reference is seen beyond the window."""
    return reference.copies.outside > 0


def _vote_with_ties(
    out: Tensor,
    tied: Tensor,
    area: Area,
    query: Tensor,
    references: Sequence[Reference],
    settings: PropagationSettings,
) -> None:
    """Set the labels of the tied cells of a tile, from all candidates they see.

    Args:
        out: Labels [h, w, K], written to.
        tied: Which cells have more candidates than the list of the best could hold,
            bool [h, w].
        area: The tile.
        query: Features [h, w, C].
        references: The references.
        settings: As in :func:`propagate`.
    """
    row, col = tied[area].nonzero(as_tuple=True)
    if not len(row):
        return
    row, col = row + area[0].start, col + area[1].start
    window = Window(settings.window, settings.radius)
    scores, copies, labels = [], [], []
    for reference in references:
        reach = None if _is_free(reference) else window.reach
        high, wide = (
            seen(span, reach, size) for span, size in zip(area, tied.shape, strict=True)
        )
        key_row, key_col = positions((high, wide), query.device)
        inside = window.inside(key_row[:, None] - row, key_col[:, None] - col)
        counts = torch.where(inside, reference.copies.inside, reference.copies.outside)
        keys = reference.features[high, wide].flatten(0, 1).float()
        product = keys @ query[row, col].float().T
        scores.append(product.masked_fill_(counts == 0, -torch.inf))
        copies.append(counts)
        labels.append(reference.labels[:, high, wide].flatten(1).T.float())
    all_scores, all_copies = torch.cat(scores), torch.cat(copies)
    highest, where = all_scores.topk(min(settings.topk, len(all_scores)), 0)
    kth = threshold(highest, all_copies.gather(0, where), settings.topk)
    weights = vote_weights(all_scores, all_copies, kth, settings)
    out[row, col] = weights.T @ torch.cat(labels)


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
