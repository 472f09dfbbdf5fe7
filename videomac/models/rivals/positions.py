"""Fixed position embeddings of patches."""

from __future__ import annotations

import functools

import torch
from mmpretrain.models.utils import build_2d_sincos_position_embedding
from torch import Tensor

__all__ = ['sincos_positions']


def sincos_positions(
    rows: int, cols: int, dim: int, device: torch.device | None = None
) -> Tensor:
    """Sine and cosine of row and column, after a row of zeros for the class token.

    The first half of the channels tells the row, the second half the column (MAE,
    appendix A.1). A pure function: the result is kept and must not be changed.

    Args:
        rows: Rows of patches.
        cols: Columns of patches.
        dim: Channels, a multiple of 4.
        device: Where the table is; None: on torch's default device.

    Returns:
        Shape [1, 1 + rows * cols, dim], patches row by row.

    Raises:
        ValueError: If ``dim`` is no multiple of 4.
    """
    if dim % 4:
        raise ValueError(
            f'the width of a network with fixed positions, {dim}, must be a multiple of 4'
        )
    return _table(rows, cols, dim, device or torch.get_default_device())


@functools.lru_cache(maxsize=16)
def _table(rows: int, cols: int, dim: int, device: torch.device) -> Tensor:
    with torch.device('cpu'):
        # mmpretrain counts column by column, so that its columns have to be our rows.
        table = build_2d_sincos_position_embedding((cols, rows), dim, cls_token=True)
    return table.to(device)
