"""Reading cells of visible patches by index, and adding up what returns to them."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ['add_to_cells', 'with_blank']


def with_blank(data: Tensor, fill: float = 0.0) -> Tensor:
    """Cells [N * h * w + 1, C] of patches, the last of which stands for all masked."""
    flat = data.reshape(-1, data.shape[3])
    return torch.cat([flat, flat.new_full((1, data.shape[3]), fill)])


def add_to_cells(
    values: Tensor, table: Tensor, shape: tuple[int, int, int, int]
) -> Tensor:
    """Add values up in the cells from which they were read; the blank's are dropped.

    Args:
        values: What returns, shape [K, C].
        table: Cell of each row of values, shape [K], or of each value, shape [K, C]; in
            the order of :func:`with_blank`.
        shape: Shape of the patches, (N, h, w, C).

    Returns:
        Sums, of that shape.
    """
    count, h, w, channels = shape
    total = values.new_zeros(count * h * w + 1, channels)
    if table.dim() == 1:
        total.index_add_(0, table, values)
    else:
        total.scatter_add_(0, table, values)
    return total[:-1].view(shape)
