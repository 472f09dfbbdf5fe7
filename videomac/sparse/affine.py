"""Factors and offsets of channels that wait to be applied to a map."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .patch_grid import PatchGrid

__all__ = ['IDENTITY', 'Affine']


def _sum(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    if first is None or second is None:
        return second if first is None else first
    return first + second


class _Apply(torch.autograd.Function):
    """``cells * scale + shift`` that touches the cells as seldom as can be.

    Shapes: cells [B, M, C], scale and shift [1 or B, 1, C].
    """

    @staticmethod
    def forward(ctx: Any, cells: Tensor, scale: Tensor, shift: Tensor | None) -> Tensor:
        """Scale and shift in one pass."""
        ctx.save_for_backward(cells, scale)
        ctx.shift_shape = None if shift is None else shift.shape
        return cells * scale if shift is None else torch.addcmul(shift, cells, scale)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of cells, scale and shift."""
        cells, scale = ctx.saved_tensors
        of_cells, of_scale, of_shift = ctx.needs_input_grad
        return (
            grad * scale if of_cells else None,
            (grad * cells).sum_to_size(scale.shape) if of_scale else None,
            grad.sum_to_size(ctx.shift_shape) if of_shift else None,
        )


@dataclass(frozen=True)
class Affine:
    """``values * scale + shift`` that has not been computed yet.

    Scaling and shifting channels reads and writes a whole map each time. Networks do it
    several times in a row (global response normalisation four times: x * n, gamma * x,
    + beta, + x), so factors and offsets, which are small, are combined first.

    Args:
        scale: Factor of each channel, of all samples or of each, shape [1 or B, 1, 1, C];
            None for 1.
        shift: Offset of each channel in the same form; None for 0.
        with_graph: Whether autograd was on when it was put off. So it is when it is
            computed, whoever is the first to read the values.
    """

    scale: Tensor | None = None
    shift: Tensor | None = None
    with_graph: bool = field(default_factory=torch.is_grad_enabled)

    def dtype(self, values: Tensor) -> torch.dtype:
        """Type of the result."""
        result = values.dtype
        for part in (self.scale, self.shift):
            result = result if part is None else torch.promote_types(result, part.dtype)
        return result

    def scaled(self, factor: Tensor) -> Affine:
        """Multiply the result by a factor of each channel."""
        # A copy: who gave the factor may change it in place before it is applied.
        scale = factor.clone() if self.scale is None else self.scale * factor
        return Affine(scale, None if self.shift is None else self.shift * factor)

    def shifted(self, offset: Tensor) -> Affine:
        """Add an offset of each channel to the result."""
        return Affine(
            self.scale, offset.clone() if self.shift is None else self.shift + offset
        )

    def plus(self, other: Affine) -> Affine:
        """Add the result of another one on the same values; one of them has factors."""
        scale = _sum(self.scale, other.scale)
        if scale is not None and (self.scale is None or other.scale is None):
            scale = scale + 1
        return Affine(scale, _sum(self.shift, other.shift))

    def apply(self, values: Tensor, grid: PatchGrid) -> Tensor:
        """Compute the result for visible patches of shape [N, h, w, C]."""
        with contextlib.ExitStack() as modes:
            if self.with_graph != torch.is_grad_enabled():
                modes.enter_context(torch.inference_mode(False))
                modes.enter_context(torch.set_grad_enabled(self.with_graph))
            return self._apply(values, grid)

    def _apply(self, values: Tensor, grid: PatchGrid) -> Tensor:
        scale, shift, cells = self.scale, self.shift, values.flatten(1, 2)
        if any(p is not None and p.shape[0] > 1 for p in (scale, shift)):
            if grid.per_sample is not None:
                # Cells of a sample follow one another: no factor is copied for each.
                cells = values.reshape(grid.batch_size, -1, values.shape[3])
            else:
                scale, shift = (
                    p if p is None or p.shape[0] == 1 else p.index_select(0, grid.sample)
                    for p in (scale, shift)
                )
        scale, shift = (None if p is None else p.flatten(1, 2) for p in (scale, shift))
        if scale is not None and self.dtype(values) == values.dtype == scale.dtype:
            cells = _Apply.apply(cells, scale, shift)
        else:
            cells = cells if scale is None else cells * scale
            cells = cells if shift is None else cells + shift
        return cells.view(values.shape)


#: Nothing to apply.
IDENTITY = Affine()
