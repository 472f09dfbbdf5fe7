"""Windows of convolutions and poolings on a grid of patches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from .padding import Padding
from .sparse_map import SparseMap, UnsupportedOperationError

__all__ = ['Window', 'as_pair', 'check_kernel', 'check_pooling', 'plan_padding']


def as_pair(value: Any) -> tuple[int, int]:
    """Make a pair of an int or of a sequence of one or two ints."""
    if isinstance(value, int):
        return value, value
    values = [int(v) for v in value]
    return values[0], values[-1]


def check_kernel(x: SparseMap, weight: Tensor, groups: int) -> None:
    """Check that a kernel [O, C / groups, k, l] is for as many channels as a map has.

    Raises:
        RuntimeError: If it is not, in torch's words.
    """
    size, wanted = list(weight.shape), weight.shape[1] * groups
    if size[0] < groups or size[0] % groups:
        least = 'divisible by' if size[0] >= groups else 'at least'
        raise RuntimeError(
            f'Given groups={groups}, expected weight to be {least} {groups} at dimension '
            f'0, but got weight of size {size} instead'
        )
    if x.channels != wanted:
        raise RuntimeError(
            f'Given groups={groups}, weight of size {size}, expected '
            f'input{list(x.shape)} to have {wanted} channels, but got {x.channels} '
            'channels instead'
        )


def check_pooling(x: SparseMap, operation: str, **options: Any) -> None:
    """Check the layout of a map and that no option without sparse meaning is set.

    Raises:
        UnsupportedOperationError: If the pooling is not supported.
    """
    x.require_layout(operation, channels_last=False)
    for name, value in options.items():
        if value:
            raise UnsupportedOperationError(
                f'{operation} with {name}={value} is not supported on {x}'
            )


def plan_padding(
    x: SparseMap, amounts: Sequence[int], mode: str, value: float | None
) -> tuple[Padding, tuple[int, ...]]:
    """Say what :func:`torch.nn.functional.pad` makes of a map.

    Returns:
        The padding of the map in space, and the channels added before and after.

    Raises:
        UnsupportedOperationError: If samples are padded, channels by a copy of others,
            or a padded map in a way that does not fit its padding.
    """
    by_axis = [tuple(amounts[i : i + 2]) for i in range(0, len(amounts), 2)]
    by_axis += [(0, 0)] * (4 - len(by_axis))
    if x.channels_last:
        channels, columns, rows, samples = by_axis
    else:
        columns, rows, channels, samples = by_axis
    constant = 0.0 if value is None else float(value)
    padding = x.padding.extended(columns + rows, mode, constant)
    odd_channels = any(channels) and (mode != 'constant' or bool(x.padding))
    if any(samples) or odd_channels or padding is None:
        raise UnsupportedOperationError(
            f"operation 'pad' by {tuple(amounts)} in mode {mode!r} with {constant} of {x}"
            f' (padded by {x.padding.amounts}) is not supported: only rows and columns, '
            'or channels by a constant, can be padded. The supported operations are '
            'listed in docs/en/sparse_engine.md.'
        )
    return padding, channels


def channel_range(x: SparseMap, dim: int, start: int, length: int) -> int:
    """Return the first of a range of channels of a map.

    Raises:
        UnsupportedOperationError: If the dimension is not that of the channels.
        IndexError: If there are not as many channels.
    """
    if dim % 4 != x.channel_dim:
        raise UnsupportedOperationError.of(
            'narrow',
            x,
            f'dimension {dim} holds samples or cells, only channels are taken',
        )
    first = start + x.channels if start < 0 else start
    if not 0 <= first <= first + length <= x.channels:
        raise IndexError(f'channels {start} to {start + length} of {x}')
    return first


def space_axis(x: SparseMap, repeats: Any, dim: int) -> int:
    """Return 0 for the dimension of rows and 1 for that of columns.

    Raises:
        UnsupportedOperationError: If it is neither, or not all are repeated as often.
    """
    axis = dim % 4 - (1 if x.channels_last else 2)
    if axis not in (0, 1) or not isinstance(repeats, int):
        raise UnsupportedOperationError.of(
            'repeat_interleave', x, f'{repeats} times along dimension {dim}'
        )
    return axis


def divided_cells(x: SparseMap, factors: tuple[int, int]) -> tuple[int, int]:
    """Cells of a patch after ``pixel_unshuffle`` makes one of blocks of them.

    Raises:
        ValueError: If the factors do not divide the patch's cells.
    """
    x.require_layout('pixel_unshuffle', channels_last=False)
    return Window(factors, factors).output_cells(x, 'pixel_unshuffle')


@dataclass(frozen=True)
class Window:
    """A sliding window whose output covers the patches exactly as its input does.

    Attributes:
        kernel: Rows and columns of the kernel.
        stride: Vertical and horizontal stride.
        padding: Cells added above and to the left.
        padding_end: Cells added below and to the right.
        overhang: How many of those ``ceil_mode`` adds, below and to the right: they are
            nowhere counted.
        dilation: Vertical and horizontal dilation.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    padding_end: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    overhang: tuple[int, int] = (0, 0)

    @classmethod
    def make(
        cls,
        kernel: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
    ) -> Window:
        """Make a window from the arguments of a torch function.

        ``padding`` may be ``'valid'`` or ``'same'``, as in :func:`torch.conv2d`.
        """
        kernel, stride, dilation = as_pair(kernel), as_pair(stride), as_pair(dilation)
        if padding == 'same':
            if stride != (1, 1):
                raise ValueError(f"padding='same' needs stride 1, got {stride}")
            total = tuple(d * (k - 1) for k, d in zip(kernel, dilation, strict=True))
            start = (total[0] // 2, total[1] // 2)
            end = (total[0] - start[0], total[1] - start[1])
            return cls(kernel, stride, start, end, dilation)
        pad = (0, 0) if padding == 'valid' else as_pair(padding)
        return cls(kernel, stride, pad, pad, dilation)

    def over(self, x: SparseMap) -> Window:
        """Add the padding that a map brings along from an earlier ``pad``.

        Raises:
            UnsupportedOperationError: If it cuts cells off in whose place the window
                has padding of its own.
        """
        pad = x.padding
        start, end = (pad.top, pad.left), (pad.bottom, pad.right)
        for mine, theirs in ((self.padding, start), (self.padding_end, end)):
            if any(m > 0 > t for m, t in zip(mine, theirs, strict=True)):
                raise UnsupportedOperationError.of(
                    'pad', x, f'{pad.amounts} cuts cells off where a window adds some'
                )
        return replace(
            self,
            padding=(self.padding[0] + start[0], self.padding[1] + start[1]),
            padding_end=(self.padding_end[0] + end[0], self.padding_end[1] + end[1]),
        )

    def rounded_up(self, x: SparseMap) -> Window:
        """Let the last window hang over the end of the map, as ``ceil_mode`` does."""
        extra = [0, 0]
        after = (x.padding.bottom, x.padding.right)
        for axis, stride in enumerate(self.stride):
            lack = self.dilation[axis] * (self.kernel[axis] - 1) + 1
            lack -= self.padding[axis] + self.padding_end[axis]
            # Torch drops a window that would begin beyond the map and its own padding.
            dropped = lack < stride and self.padding[axis] + after[axis] <= 0
            extra[axis] = 0 if dropped else lack % stride
            if extra[axis] and after[axis] < 0:
                raise UnsupportedOperationError.of(
                    'pad', x, f'{x.padding.amounts} cuts cells off where ceil_mode adds'
                )
        end = (self.padding_end[0] + extra[0], self.padding_end[1] + extra[1])
        return replace(self, padding_end=end, overhang=(extra[0], extra[1]))

    def output_cells(self, x: SparseMap, operation: str) -> tuple[int, int]:
        """Cells of a patch after the operation.

        Raises:
            UnsupportedOperationError: If the output is not the input's map divided by
                the stride, so that patches would not stay patches.
            ValueError: If the stride does not divide the patch's cells.
        """
        result = []
        for axis, side in enumerate(('vertical', 'horizontal')):
            cells, stride = x.cells[axis], self.stride[axis]
            extent = self.dilation[axis] * (self.kernel[axis] - 1)
            padded = self.padding[axis] + self.padding_end[axis]
            if not 0 <= padded - extent - 1 + stride < stride:
                raise UnsupportedOperationError(
                    f'{operation} with kernel {self.kernel}, stride {self.stride}, '
                    f'padding {self.padding}+{self.padding_end} and dilation '
                    f'{self.dilation} changes the size of the map by more than its '
                    'stride, so its output cannot be cut into the same patches. Use '
                    'padding that keeps the size (dilation * (kernel - 1) / 2).'
                )
            if cells % stride:
                needed = x.grid.patch_size * stride // math.gcd(cells, stride)
                raise ValueError(
                    f'{operation} with {side} stride {stride} does not divide a patch of '
                    f'{cells} cell(s): the encoder strides further than the masking '
                    f'patch_size of {x.grid.patch_size} pixels allows. Use a patch_size '
                    f'of at least {needed} or an encoder with a smaller output stride.'
                )
            result.append(cells // stride)
        return result[0], result[1]

    @property
    def holds_own_cell(self) -> bool:
        """Whether every window reads a cell of its own patch, visible if its output is.

        The cells of an output are the ``stride`` cells from its place on.
        """
        return all(
            any(0 <= k * step - before < stride for k in range(size))
            for before, step, size, stride in zip(
                self.padding, self.dilation, self.kernel, self.stride, strict=True
            )
        )

    def reach(
        self, cells_out: tuple[int, int]
    ) -> tuple[tuple[int, int], tuple[int, int]]:
        """First cell, relative to the patch, and size of what a patch's output reads."""
        start = (-self.padding[0], -self.padding[1])
        length = [
            (cells_out[a] - 1) * self.stride[a]
            + self.dilation[a] * (self.kernel[a] - 1)
            + 1
            for a in (0, 1)
        ]
        return start, (length[0], length[1])
