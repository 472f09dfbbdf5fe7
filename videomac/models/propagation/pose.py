"""Joints of a person as maps on cells, and back (JHMDB)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ...utils.arguments import check_flags, check_integer, check_positive

__all__ = ['PoseCoder']

#: What published procedures do otherwise than CRW's.
_PRESETS: dict[str, dict[str, Any]] = {
    'vfs': dict(sigma=4.0, draw='pixels', background=False, top=5, decode='pixels')
}


@dataclass(frozen=True)
class PoseCoder:
    """How joints become maps and maps joints.

    The defaults are those of CRW's code (arXiv:2006.14613): Gaussians on the cells, a
    map of background, and the weighted mean of the three best cells.

    Args:
        sigma: Deviation of the Gaussian, in units of the grid that it is drawn on.
        draw: Grid to draw on: ``'cells'``, or ``'pixels'`` of the original frame, then
            resized bilinearly to the cells (VFS, with ``sigma=4``).
        background: Whether a map says where no joint is.
        top: Number m of the best cells of which the weighted mean is taken.
        decode: Where to take it: on the ``'cells'``, or on the ``'pixels'`` of the
            original frame after bilinear up-sampling (VFS, with ``top=5``).

    Raises:
        ValueError: If an argument is out of its range.
    """

    sigma: float = 0.5
    draw: Literal['cells', 'pixels'] = 'cells'
    background: bool = True
    top: int = 3
    decode: Literal['cells', 'pixels'] = 'cells'

    def __post_init__(self) -> None:
        """Check the arguments."""
        grids = get_args(Literal['cells', 'pixels'])
        if self.draw not in grids or self.decode not in grids:
            raise ValueError(
                f'draw and decode must be one of {grids}, got {self.draw!r} and '
                f'{self.decode!r}'
            )
        check_flags(background=self.background)
        check_positive(sigma=self.sigma)
        check_integer(1, top=self.top)

    @classmethod
    def preset(cls, name: str, **overrides: Any) -> PoseCoder:
        """Make the coder of a published procedure.

        Args:
            name: One of ``PRESETS``. DINO's code has no poses; it gets CRW's.
            overrides: Fields to set otherwise.

        Raises:
            ValueError: If an argument is out of its range.
        """
        return cls(**{**_PRESETS.get(name, {}), **overrides})

    def encode(
        self,
        points: NDArray[np.float64],
        cells: tuple[int, int],
        ori_size: tuple[int, int],
        device: torch.device | str = 'cpu',
    ) -> Tensor:
        """Draw the joints of frame 0.

        Args:
            points: x, y in pixels of the original frame, counted from 0, [2, J].
            cells: h, w of the features.
            ori_size: H0, W0 of the original frame.
            device: Where the maps shall lie.

        Returns:
            float32 [J, h, w], or [J + 1, h, w] with the background last.

        Raises:
            ValueError: If a coordinate is not finite.
        """
        if not np.isfinite(points).all():
            raise ValueError(f'joints must have finite coordinates, got\n{points}')
        size = cells if self.draw == 'cells' else ori_size
        scale = np.array([size[1] / ori_size[1], size[0] / ori_size[0]])
        drawn = [self._gaussian(x, y, size) for x, y in points.T * scale]
        maps = torch.from_numpy(np.stack(drawn)).to(device)
        if size != cells:
            maps = F.interpolate(maps[None], cells, mode='bilinear')[0]
        if self.background:
            maps = torch.cat([maps, (maps.sum(0, keepdim=True) == 0).float()])
        return maps

    def _gaussian(self, x: float, y: float, size: tuple[int, int]) -> NDArray[np.float32]:
        """Draw one joint, as the field's ``draw_labelmap`` does.

        The patch's corner is truncated towards zero, not rounded down: near the upper and
        left border the peak is one cell off.
        """
        picture = np.zeros(size, np.float32)
        radius = 3 * self.sigma
        offsets = np.arange(0.0, 6 * self.sigma + 1) - (6 * self.sigma + 1) // 2
        profile = np.exp(-(offsets**2) / (2 * self.sigma**2))
        spans = []
        for at, limit in ((y, size[0]), (x, size[1])):
            start, stop = int(at - radius), int(at + radius + 1)
            low, high = max(0, start), min(stop, limit)
            if low >= high:
                return picture
            spans.append((slice(low, high), profile[low - start : high - start]))
        (rows, down), (cols, across) = spans
        picture[rows, cols] = np.outer(down, across)
        return picture

    def decode_maps(
        self, maps: Tensor, ori_size: tuple[int, int]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Find the joints in their maps.

        Args:
            maps: [J, h, w], or [J + 1, h, w] with background.
            ori_size: H0, W0 of the original frame.

        Returns:
            x, y in pixels of the original frame, counted from 0, [2, J], and whether
            each is visible, [J]: a joint whose map is zero is not, and is at (-1, -1).
        """
        maps = maps[:-1] if self.background else maps
        if self.decode == 'pixels':
            maps = F.interpolate(maps[None].float(), ori_size, mode='bilinear')[0]
        height, width = maps.shape[1:]
        flat = maps.flatten(1).double()
        values, where = flat.topk(min(self.top, flat.shape[1]), 1)
        total = values.sum(1)
        visible = total > 0
        weights = values / total.where(visible, 1)[:, None]
        x = (weights * (where % width)).sum(1) * (ori_size[1] / width)
        y = (weights * (where // width)).sum(1) * (ori_size[0] / height)
        points = torch.stack([x, y]).masked_fill(~visible, -1.0)
        return points.cpu().numpy(), visible.cpu().numpy()
