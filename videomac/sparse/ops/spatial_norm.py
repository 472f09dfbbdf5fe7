"""Euclidean norm of each channel of a sample, as global response normalisation asks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..patch_grid import PatchGrid
from ..patch_tensor import PatchTensor

__all__ = ['spatial_norm']


class _SpatialNorm(torch.autograd.Function):
    """Norms, and the values themselves again.

    Who goes on with the values that it returns hands their gradient to this backward
    pass, which adds its own share in one go instead of making a second tensor of it.
    """

    @staticmethod
    def forward(ctx: Any, data: Tensor, grid: PatchGrid) -> tuple[Tensor, Tensor]:
        """Return norms [B, C] and the values."""
        wide = data if data.dtype == torch.float64 else data.float()
        lined = grid.batched(wide)
        norms = lined.square().sum(1).sqrt()
        ctx.save_for_backward(data, norms)
        ctx.grid = grid
        return norms, data.view_as(data)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor, grad_data: Tensor) -> tuple[Tensor, None]:
        """Add the values times gradient / norm to the gradient of the values."""
        data, norms = ctx.saved_tensors
        # As torch has it, the norm of zeros has the gradient zero.
        factor = (grad / norms).masked_fill(norms == 0, 0.0).to(data.dtype)
        factor, shape = factor[:, None], data.shape
        if ctx.grid.per_sample is not None:
            lined = factor.shape[0], -1, shape[3]
            out = torch.addcmul(grad_data.reshape(lined), data.reshape(lined), factor)
            return out.view(shape), None
        each = factor.index_select(0, ctx.grid.sample).unsqueeze(2)
        return torch.addcmul(grad_data, data, each), None


def spatial_norm(x: PatchTensor) -> Tensor:
    """Return the norm of each channel over the visible cells of each sample, [B, C]."""
    data = x.data
    norms, x.data = _SpatialNorm.apply(data, x.grid)
    return norms if torch.is_autocast_enabled(x.device.type) else norms.to(data.dtype)
