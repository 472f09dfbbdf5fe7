"""Padding that a sparse map carries along until a window reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

__all__ = ['NO_PADDING', 'Padding']


@dataclass(frozen=True)
class Padding:
    """Cells around a map, as :func:`torch.nn.functional.pad` adds them.

    Networks pad a map only to hand it to a convolution or a pooling without padding of
    its own ('SAME' padding of TensorFlow, for one). A padded map cannot be cut into the
    same patches, so the cells are not stored but remembered, for the next window.

    Attributes:
        top: Rows added above; negative where rows are cut off.
        bottom: Rows added below.
        left: Columns added to the left.
        right: Columns added to the right.
        mode: What fills them: 'constant', 'reflect', 'replicate' or 'circular'.
        value: The constant.
    """

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0
    mode: str = 'constant'
    value: float = 0.0

    def __bool__(self) -> bool:
        return self != NO_PADDING

    @property
    def amounts(self) -> list[int]:
        """Columns left and right, rows above and below: the order of torch."""
        return [self.left, self.right, self.top, self.bottom]

    def fills_with(self, value: float) -> bool:
        """Whether cells of the padding hold that constant (none of them count, too)."""
        if max(self.amounts) <= 0:
            return True
        return self.mode == 'constant' and self.value == value

    def extended(self, amounts: Sequence[int], mode: str, value: float) -> Padding | None:
        """Pad once more.

        Args:
            amounts: Columns left and right, rows above and below.
            mode: What fills the new cells.
            value: The constant.

        Returns:
            Both paddings in one; None if they are too different to be one.
        """
        alike = mode == self.mode == 'constant' and value == self.value
        undone = any(a * b < 0 for a, b in zip(self.amounts, amounts, strict=True))
        if undone or (self and not alike):  # zeros in the place of what was cut off
            return None
        left, right, top, bottom = (
            old + new for old, new in zip(self.amounts, amounts, strict=True)
        )
        if left == right == top == bottom == 0:
            return NO_PADDING
        return Padding(top, bottom, left, right, mode, value)

    def applied(self, dense: Tensor, value: float | None = None) -> Tensor:
        """Pad a dense map [B, C, H, W], with another constant if one is given."""
        if not self:
            return dense
        if self.mode != 'constant':
            return F.pad(dense, self.amounts, self.mode)
        return F.pad(dense, self.amounts, value=self.value if value is None else value)


NO_PADDING = Padding()
