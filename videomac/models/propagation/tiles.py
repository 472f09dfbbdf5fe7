"""Tiles of a map, what their windows see, and the scores in between.

A tile of the query sees of a reference the cells up to the window's reach around it: of a
map of 60 by 104 cells, with tiles of 12 by 12 and a reach of 12, a sixth. References are
copied strip by strip, as wide as a column of tiles sees, so that what each tile sees is
one block of memory and its scores are one matrix product.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from .settings import Window

__all__ = ['Area', 'ScoredTile', 'TilePlan', 'positions', 'scored_tiles', 'seen', 'split']

#: Rows and columns of a part of a map.
Area = tuple[slice, slice]
#: Side of a tile in cells: small tiles waste less work, large ones mean fewer calls.
TILE_SIDE = dict(cpu=12, cuda=16)


def split(size: int, step: int) -> list[slice]:
    """Divide ``range(size)`` into pieces of nearly equal length, at most ``step``."""
    count = -(-size // step)
    ends = [size * i // count for i in range(count + 1)]
    return [slice(*pair) for pair in pairwise(ends)]


def seen(span: slice, reach: int | None, size: int) -> slice:
    """Tell which part of ``range(size)`` the windows of a span of cells cover."""
    if reach is None:
        return slice(0, size)
    return slice(max(0, span.start - reach), min(size, span.stop + reach))


def positions(area: Area, device: torch.device) -> tuple[Tensor, Tensor]:
    """Rows and columns of the cells of an area, row by row: two int64 [cells]."""
    rows, cols = (torch.arange(s.start, s.stop, device=device) for s in area)
    return rows.repeat_interleave(len(cols)), cols.repeat(len(rows))


def window_bias(
    keys: tuple[Tensor, Tensor], query: tuple[Tensor, Tensor], window: Window
) -> Tensor:
    """Make what hides cells outside of the windows when added to their scores.

    Args:
        keys: Rows and columns of M cells of a reference.
        query: Rows and columns of Q cells of the query.
        window: The window.

    Returns:
        0 inside and -inf outside, float32 [M, Q].
    """
    dy, dx = (k[:, None] - q for k, q in zip(keys, query, strict=True))
    bias = torch.zeros_like(dy, dtype=torch.float32)
    return bias.masked_fill_(~window.inside(dy, dx), -torch.inf)


class TilePlan(NamedTuple):
    """Largest rows and columns of a tile, and references to hold at a time."""

    rows: int
    cols: int
    references: int

    @classmethod
    def fit(
        cls,
        shape: Sequence[int],
        reach: int | None,
        references: int,
        budget: int,
        side: int,
    ) -> TilePlan:
        """Choose a plan for maps [h, w, C] whose strips and scores fit into memory.

        A plan needs at least a strip of one column of cells, or of the whole map where
        there is no window, and the scores of one cell; where that is more than the
        budget, it takes that.

        Args:
            shape: h, w, C.
            reach: Of the window, or None.
            references: Number of references.
            budget: Bytes.
            side: Largest side of a tile in cells.
        """
        height, width, channels = shape
        rows, cols = min(side, height), min(side, width)
        if reach is None:  # a tile sees everything: one strip for all of them
            rows, cols = max(1, rows * cols // width), width
        while True:
            high, wide = height, width
            if reach is not None:
                high, wide = min(high, rows + 2 * reach), min(wide, cols + 2 * reach)
            # Twice the scores: the window's bias, and the candidates picked from them.
            values = height * wide * channels + 2 * high * wide * rows * cols
            held = budget // (4 * values)
            if held or rows * cols == 1 or (reach is None and rows == 1):
                return cls(rows, cols, max(1, min(references, held)))
            if cols > rows and reach is not None:
                cols = -(-cols // 2)
            elif rows > 1:
                rows = -(-rows // 2)
            else:
                cols = -(-cols // 2)


class ScoredTile(NamedTuple):
    """Scores of the cells of a tile with what they see of some references.

    ``area`` is the tile, ``block`` what it sees, ``first`` the number of the first of R
    references, ``scores`` float32 [R, rows, cols, Q]: -inf outside of the windows, valid
    until the next tile is asked for.
    """

    area: Area
    block: Area
    first: int
    scores: Tensor


def scored_tiles(
    query: Tensor, keys: Sequence[Tensor], window: Window, plan: TilePlan
) -> Iterator[ScoredTile]:
    """Score a query with references, tile by tile.

    Args:
        query: Features [h, w, C].
        keys: Features [h, w, C] of every reference.
        window: Which cells of a reference a cell may look at.
        plan: How to go about it.
    """
    height, width, channels = query.shape
    reach, device = window.reach, query.device
    strips, products = _Workspace(device), _Workspace(device)
    biases: dict[tuple[int, ...], Tensor] = {}
    for first in range(0, len(keys), plan.references):
        chunk = keys[first : first + plan.references]
        for across in split(width, plan.cols):
            wide = seen(across, reach, width)
            strip = strips.take(len(chunk), height, wide.stop - wide.start, channels)
            for part, features in zip(strip, chunk, strict=True):
                part.copy_(features[:, wide])
            for down in split(height, plan.rows):
                area, block = (down, across), (seen(down, reach, height), wide)
                cells = query[area].reshape(-1, channels).float().T
                part = strip[:, block[0]]
                scores = products.take(*part.shape[:3], cells.shape[1])
                flat, held = scores.flatten(1, 2), part.flatten(1, 2)
                cells = cells.expand(len(chunk), *cells.shape)
                if reach is None:
                    torch.bmm(held, cells, out=flat)
                else:
                    bias = _shared_bias(area, block, window, biases, device)
                    torch.baddbmm(bias.expand_as(flat), held, cells, out=flat)
                yield ScoredTile(area, block, first, scores)


def _shared_bias(
    area: Area,
    block: Area,
    window: Window,
    known: dict[tuple[int, ...], Tensor],
    device: torch.device,
) -> Tensor:
    """Make the bias of a tile, once for all tiles that lie alike in what they see."""
    key = tuple(
        length
        for tile, sight in zip(area, block, strict=True)
        for length in (
            tile.stop - tile.start,
            sight.stop - sight.start,
            tile.start - sight.start,
        )
    )
    if key not in known:
        known[key] = window_bias(
            positions(block, device), positions(area, device), window
        )
    return known[key]


class _Workspace:
    """Memory that successive strips, or scores, share: fresh pages cost time."""

    def __init__(self, device: torch.device) -> None:
        self.memory = torch.empty(0, device=device)

    def take(self, *shape: int) -> Tensor:
        count = torch.Size(shape).numel()
        if self.memory.numel() < count:
            self.memory = self.memory.new_empty(0)  # let go before taking more
            self.memory = torch.empty(count, device=self.memory.device)
        return self.memory[:count].view(shape)
