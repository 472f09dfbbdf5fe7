"""Which cell each row of a MinkowskiEngine sparse tensor belongs to."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..patch_grid import PatchGrid

__all__ = ['Sites']


@dataclass(frozen=True, eq=False)
class Sites:
    """The visible cells at one resolution, in MinkowskiEngine's order of rows.

    Attributes:
        manager: The ``CoordinateManager`` that holds all resolutions of one batch.
        key: The ``CoordinateMapKey`` of this resolution.
        grid: The visible patches.
        cells: Rows and columns of cells that one patch covers.
    """

    manager: Any
    key: Any
    grid: PatchGrid
    cells: tuple[int, int]
    _strided: dict[tuple[int, int], Sites] = field(
        default_factory=dict, init=False, repr=False
    )

    def strided(self, stride: tuple[int, int]) -> Sites:
        """Return the sites of the output of an operation with a stride.

        The stride must divide the cells of a patch: then they are the visible cells of
        the smaller map.
        """
        if stride == (1, 1):
            return self
        if stride not in self._strided:
            key = self.manager.stride(self.key, list(stride))
            cells = self.cells[0] // stride[0], self.cells[1] // stride[1]
            self._strided[stride] = Sites(self.manager, key, self.grid, cells)
        return self._strided[stride]

    def matches(self, other: Sites) -> bool:
        """Whether the rows of both are the same cells in the same order."""
        return self.manager is other.manager and self.key == other.key

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the map in cells."""
        return self.grid.rows * self.cells[0], self.grid.cols * self.cells[1]

    @cached_property
    def index(self) -> Tensor:
        """Flat position of each row in a map [B, height, width], shape [M]."""
        height, width = self.size
        sample, y, x = self.manager.get_coordinates(self.key).long().unbind(1)
        # MinkowskiEngine keeps the coordinates of the finest map.
        y_step, x_step = self.key.get_tensor_stride()
        row = y.div(y_step, rounding_mode='floor')
        return (sample * height + row) * width + x.div(x_step, rounding_mode='floor')

    @cached_property
    def sample(self) -> Tensor:
        """Image to which each row belongs, shape [M]."""
        return self.index.div(self.size[0] * self.size[1], rounding_mode='floor')

    @cached_property
    def counts(self) -> Tensor:
        """Rows of each image, shape [B]."""
        return self.grid.counts * (self.cells[0] * self.cells[1])

    @cached_property
    def _lines(self) -> Tensor:
        """Rows of each image; M, one past the last, at the end of shorter ones."""
        order = self.sample.argsort(stable=True)
        sample, rows = self.sample[order], torch.arange(len(order))
        first = self.counts.cumsum(0) - self.counts
        lines = torch.full((self.grid.batch_size, int(self.counts.max())), len(order))
        lines[sample, rows - first[sample]] = order
        return lines

    def lined(self, data: Tensor) -> Tensor:
        """Line up the rows of each image: [M, C] -> [B, most, C], zeros at the end."""
        padded = data if self.grid.per_sample is not None else F.pad(data, (0, 0, 0, 1))
        lines = self._lines
        return padded.index_select(0, lines.flatten()).view(*lines.shape, data.shape[1])
