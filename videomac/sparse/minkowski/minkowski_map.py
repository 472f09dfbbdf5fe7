"""Sparse feature maps that MinkowskiEngine computes on, for comparison with our own."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from ..patch_grid import PatchGrid
from ..sparse_map import Handler, SparseMap
from .engine import load_engine
from .sites import Sites

__all__ = ['MinkowskiMap', 'implements']


class MinkowskiMap(SparseMap):
    """A feature map whose values are the rows of a MinkowskiEngine sparse tensor.

    ``data`` has the shape [M, C], one row for each visible cell, in the order of
    ``sites``. Stock ConvNets run on it unchanged, as on a
    :class:`~videomac.sparse.patch_tensor.PatchTensor`; convolutions and poolings are
    those of MinkowskiEngine (Choy et al., CVPR 2019) with the network's dense weights.
    It computes on the CPU in single or double precision; half-precision maps go through
    its kernels in single precision.
    """

    handlers: ClassVar[dict[str, Handler]] = {}

    def __init__(self, data: Tensor, sites: Sites, channels_last: bool = False):
        super().__init__(data, sites.grid, channels_last)
        self.sites = sites

    @classmethod
    def from_dense(cls, images: Tensor, grid: PatchGrid) -> MinkowskiMap:
        """Take the visible cells of a dense map.

        The cells come from the mask, never from the values: a black pixel is visible.

        Args:
            images: Shape [B, C, H, W]; H and W are multiples of the grid's sides.
            grid: The visible patches.

        Raises:
            ImportError: If MinkowskiEngine is not installed.
            ValueError: If the map and the grid do not fit, if no patch is visible
                (MinkowskiEngine has no empty tensors) or if the map is not on the CPU.
        """
        cells = grid.check_map(images)
        if images.device.type != 'cpu':
            raise ValueError(
                f'the sparse backend Minkowski computes on the CPU, got images on '
                f"{images.device}. Use sparse=dict(type='PatchSparse') there."
            )
        if not len(grid.index):
            raise ValueError(
                f'none of the {grid.batch_size * grid.num_patches} patches is visible; '
                'MinkowskiEngine cannot compute on an empty map. Lower the mask ratio.'
            )
        where = grid.cell_mask(*cells).nonzero()
        values = images[where[:, 0], :, where[:, 1], where[:, 2]]
        engine = load_engine()
        # A manager sets the threads of the whole process: to what they are, please.
        manager = engine.CoordinateManager(
            D=2,
            num_threads=torch.get_num_threads(),
            coordinate_map_type=engine.CoordinateMapType.CPU,
        )
        coordinates = where.int().contiguous()
        tensor = engine.SparseTensor(values, coordinates, coordinate_manager=manager)
        key = tensor.coordinate_map_key
        return cls(tensor.F, Sites(manager, key, grid, cells))

    def like(self, data: Tensor, channels_last: bool | None = None) -> MinkowskiMap:
        """Make a map with other values on the same cells."""
        return self.moved(data, self.sites, channels_last)

    def moved(
        self, data: Tensor, sites: Sites, channels_last: bool | None = None
    ) -> MinkowskiMap:
        """Make a map with other values on other cells of the same grid."""
        layout = self.channels_last if channels_last is None else channels_last
        return type(self)(data, sites, layout)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.data.shape[1]

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns of cells that one patch covers."""
        return self.sites.cells

    def check_partner(self, other: SparseMap) -> None:
        """Check that another map can be combined with this one, row by row.

        Raises:
            TypeError: If it is of another kind.
            ValueError: If its mask, size, layout or order of rows differs.
        """
        super().check_partner(other)
        if not isinstance(other, MinkowskiMap) or not self.sites.matches(other.sites):
            raise ValueError(
                f'cannot combine {self} with a map that was made of images apart from '
                'it: the rows may be in another order'
            )

    def dense(self) -> Tensor:
        """Return the map as a tensor of shape [B, C, H, W], zero at masked cells."""
        height, width = self.sites.size
        flat = self.data.new_zeros(self.grid.batch_size * height * width, self.channels)
        flat = flat.index_copy(0, self.sites.index, self.data)
        return flat.view(-1, height, width, self.channels).permute(0, 3, 1, 2)


def implements(*names: str) -> Callable[[Handler], Handler]:
    """Enter a handler of :class:`MinkowskiMap` under the names of its operations."""

    def register(handler: Handler) -> Handler:
        for name in names:
            MinkowskiMap.handlers[name] = handler
        return handler

    return register
