"""The default sparse feature map: only the visible patches are stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from .affine import IDENTITY, Affine
from .patch_grid import PatchGrid
from .sparse_map import Handler, SparseMap

__all__ = ['PatchTensor', 'implements']


class PatchTensor(SparseMap):
    """A feature map that holds its visible patches only, channels last.

    ``data`` has the shape [N, h, w, C]: N visible patches of h by w cells. To a network
    it looks like a tensor of shape [B, C, rows * h, cols * w] and takes part in ordinary
    torch calls, so stock ConvNets run on it unchanged. The meaning of every operation is
    that of a submanifold sparse convolution network (Graham et al., CVPR 2018):
    masked cells are absent, and an absent cell stays absent.

    Example:
        >>> grid = PatchGrid.from_mask(torch.rand(2, 7, 7) < 0.25, patch_size=32)
        >>> x = PatchTensor.from_dense(images, grid)  # [2, 3, 224, 224]
        >>> latent = convnext(x)[-1].dense()  # [2, 768, 7, 7], zero where masked
    """

    handlers: ClassVar[dict[str, Handler]] = {}

    def __init__(
        self,
        data: Tensor,
        grid: PatchGrid,
        channels_last: bool = False,
        pending: Affine = IDENTITY,
    ):
        super().__init__(data, grid, channels_last)
        self.pending = pending

    @property
    def data(self) -> Tensor:  # type: ignore[override]
        """Values of the visible patches, shape [N, h, w, C]."""
        if self.pending is not IDENTITY:
            self.data = self.pending.apply(self.values, self.grid)
        return self.values

    @data.setter
    def data(self, data: Tensor) -> None:
        self.values = data
        self.pending = IDENTITY

    def settle(self) -> None:
        """Compute now what was put off while autograd was on and is off, or the reverse.

        What comes next is put off in another way, and cannot be done together with it.
        """
        if self.pending.with_graph != torch.is_grad_enabled():
            self.data  # noqa: B018  (reading it computes it)

    def with_pending(self, pending: Affine) -> PatchTensor:
        """Make a map of the same values to which something else is still to be done."""
        return PatchTensor(self.values, self.grid, self.channels_last, pending)

    @property
    def dtype(self) -> torch.dtype:
        """Data type of the values."""
        return self.pending.dtype(self.values)

    @property
    def device(self) -> torch.device:
        """Device that holds the values."""
        return self.values.device

    @classmethod
    def from_dense(cls, images: Tensor, grid: PatchGrid) -> PatchTensor:
        """Take the visible patches of a dense map.

        Args:
            images: Shape [B, C, H, W]; H and W are multiples of the grid's sides.
            grid: The visible patches.

        Raises:
            ValueError: If the map and the grid do not fit.
        """
        h, w = grid.check_map(images)
        # Whole patches are picked, so the copy is as large as what is visible.
        patches = images.unflatten(3, (grid.cols, w)).unflatten(2, (grid.rows, h))
        place = grid.index % grid.num_patches
        row = place.div(grid.cols, rounding_mode='floor')
        picked = patches[grid.sample, :, row, :, place % grid.cols, :]
        return cls(picked.permute(0, 2, 3, 1).contiguous(), grid)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.values.shape[3]

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns of cells that one patch covers."""
        return self.values.shape[1], self.values.shape[2]

    def dense(self) -> Tensor:
        """Return the map as a tensor of shape [B, C, H, W], zero at masked cells."""
        return self.grid.scatter(self.data).permute(0, 3, 1, 2)


def implements(*names: str) -> Callable[[Handler], Handler]:
    """Enter a handler of :class:`PatchTensor` under the names of its torch operations.

    A handler takes the torch function that was called and then its arguments.
    """

    def register(handler: Handler) -> Handler:
        for name in names:
            PatchTensor.handlers[name] = handler
        return handler

    return register
