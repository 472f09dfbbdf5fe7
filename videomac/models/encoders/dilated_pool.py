"""Average pooling with a dilated window."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ['DilatedAvgPool2d']

Pair = tuple[int, int]


class DilatedAvgPool2d(nn.Module):
    """Average, at every cell, of the cells in a dilated window.

    It stands in for ``nn.AvgPool2d``, which has no dilation, where a network loses its
    stride. Cells outside the map do not count, unless the pooling has padding that is
    to be counted. On sparse maps masked cells do not count either.

    Args:
        kernel: Rows and columns of the window.
        lead: Cells of the window before its own place, which is the padding of the
            pooling that it replaces.
        dilation: Cells from one cell of the window to the next.
        count_padding: Whether cells outside the map count, as zeros.
    """

    window: Tensor

    def __init__(
        self, kernel: Pair, lead: Pair, dilation: Pair, count_padding: bool = False
    ) -> None:
        super().__init__()
        # An odd window around its own place, with zeros where the pooling does not look.
        half = [max(p, k - 1 - p) for k, p in zip(kernel, lead, strict=True)]
        window = torch.zeros(1, 1, 2 * half[0] + 1, 2 * half[1] + 1)
        top, left = half[0] - lead[0], half[1] - lead[1]
        window[:, :, top : top + kernel[0], left : left + kernel[1]] = 1
        self.register_buffer('window', window, persistent=False)
        self.padding = (dilation[0] * half[0], dilation[1] * half[1])
        self.dilation = dilation
        self.kernel_size = self.window.shape[2], self.window.shape[3]
        self.area = kernel[0] * kernel[1]
        self.count_padding = count_padding

    def forward(self, x: Any) -> Any:
        """Pool a map of shape [B, C, H, W], dense or sparse, at every cell."""
        count = self._sum(x.detach().clamp(1.0, 1.0))
        if self.count_padding:
            everywhere = self.window.new_ones(1, x.shape[1], *x.shape[-2:])
            count = count + (self.area - self._sum(everywhere))
        return self._sum(x) / count

    def _sum(self, x: Any) -> Any:
        channels = x.shape[1]
        kernel = self.window.to(x.dtype).expand(channels, -1, -1, -1)
        return F.conv2d(x, kernel, None, 1, self.padding, self.dilation, channels)

    def spread(self, factor: int) -> None:
        """Dilate the window further."""
        self.padding = (factor * self.padding[0], factor * self.padding[1])
        self.dilation = (factor * self.dilation[0], factor * self.dilation[1])

    def extra_repr(self) -> str:
        """Describe the window."""
        return f'window={self.window[0, 0].tolist()}, dilation={self.dilation}'
