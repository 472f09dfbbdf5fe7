"""The reference sparse feature map: a dense tensor, zero where masked.

Everything is written the plain way, with dense operations and the mask, so that it can
be read as the definition and serve as the oracle for the fast implementation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from torch import Tensor

from .patch_grid import PatchGrid
from .sparse_map import Handler, SparseMap

__all__ = ['MaskedTensor', 'implements']


class MaskedTensor(SparseMap):
    """A feature map held as a dense tensor that is zero at masked cells.

    ``data`` has the shape that the map shows: [B, C, H, W] or [B, H, W, C].
    """

    handlers: ClassVar[dict[str, Handler]] = {}

    @classmethod
    def from_dense(cls, images: Tensor, grid: PatchGrid) -> MaskedTensor:
        """Mask a dense map of shape [B, C, H, W]."""
        h, w = grid.check_map(images)
        return cls(images.masked_fill(~grid.cell_mask(h, w)[:, None], 0.0), grid)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.data.shape[self.channel_dim]

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns of cells that one patch covers."""
        first = 1 if self.channels_last else 2
        height, width = self.data.shape[first : first + 2]
        return height // self.grid.rows, width // self.grid.cols

    @property
    def mask(self) -> Tensor:
        """True at visible cells, bool, broadcastable to the map."""
        return self.grid.cell_mask(*self.cells).unsqueeze(self.channel_dim)

    def dense(self) -> Tensor:
        """Return the map as a tensor of shape [B, C, H, W], zero at masked cells."""
        return self.data.permute(0, 3, 1, 2) if self.channels_last else self.data

    def masked(self, data: Tensor) -> MaskedTensor:
        """Make a map of dense values in the same layout, zeroing what is masked."""
        out = self.like(data)
        out.data = data.masked_fill(~out.mask, 0.0)
        return out

    def map_values(self, function: Callable[[Tensor], Tensor]) -> MaskedTensor:
        """Apply a function that acts on each value alone."""
        data = function(self.data)
        return self if data is self.data else self.masked(data)

    def of_visible(self, function: Callable[[Tensor], Tensor]) -> MaskedTensor:
        """Apply a function to the matrix [cells, C] of all visible cells."""
        last = self.data if self.channels_last else self.data.permute(0, 2, 3, 1)
        where = self.grid.cell_mask(*self.cells)
        values = function(last[where])
        out = values.new_zeros(*last.shape[:3], values.shape[1])
        out = out.index_put((where,), values)
        return self.like(out if self.channels_last else out.permute(0, 3, 1, 2))


def implements(*names: str) -> Callable[[Handler], Handler]:
    """Enter a handler of :class:`MaskedTensor` under the names of its operations."""

    def register(handler: Handler) -> Handler:
        for name in names:
            MaskedTensor.handlers[name] = handler
        return handler

    return register
