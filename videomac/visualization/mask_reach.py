"""How far what is visible spreads into masked cells, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..sparse import PatchGrid, PatchTensor, SparseMap

__all__ = ['MaskReach', 'mask_reach']


@dataclass(frozen=True)
class MaskReach:
    """Which cells of a feature map the visible pixels have a say in.

    Attributes:
        visible: True at cells of visible patches, bool, shape [h, w].
        dense: True where the dense network's response depends on visible pixels, the
            masked ones being zero, bool, shape [h, w].
        sparse: The same of the network on a sparse map.
    """

    visible: NDArray[np.bool_]
    dense: NDArray[np.bool_]
    sparse: NDArray[np.bool_]


@torch.no_grad()
def mask_reach(network: nn.Module, image: Tensor, grid: PatchGrid) -> list[MaskReach]:
    """Run a network on a masked image, densely and sparsely (paper, Fig. 5).

    A cell is reached if the visible pixels change its response to an empty image, in any
    channel; in a network without biases, if the response is not zero.

    Args:
        network: Returns a feature map or several; runs in eval mode. One that looks at
            the whole map somewhere (squeeze-excite, GRN that is not at its start)
            reaches all cells there when it is dense.
        image: Shape [1, 3, H, W]; what is masked in it does not count.
        grid: The visible patches.

    Returns:
        One for each feature map.
    """
    training = network.training
    network.eval()
    try:
        size = grid.patch_size
        masked = image.masked_fill(~grid.cell_mask(size, size)[:, None], 0.0)
        runs = [_maps(network(x)) for x in (masked, torch.zeros_like(masked))]
        sparse_runs = [
            _maps(network(PatchTensor.from_dense(x, grid)))
            for x in (masked, torch.zeros_like(masked))
        ]
    finally:
        network.train(training)
    found = []
    for dense, sparse in zip(_differ(*runs), _differ(*sparse_runs), strict=True):
        cells = (dense.shape[0] // grid.rows, dense.shape[1] // grid.cols)
        visible = grid.cell_mask(*cells)[0].cpu().numpy()
        found.append(MaskReach(visible, dense, sparse))
    return found


def _maps(out: Any) -> list[Tensor]:
    """Bring what a network returns to dense maps [1, C, h, w]."""
    outs = out if isinstance(out, Sequence) else [out]
    return [x.dense() if isinstance(x, SparseMap) else x for x in outs]


def _differ(first: list[Tensor], second: list[Tensor]) -> list[NDArray[np.bool_]]:
    """Find the cells where maps differ in any channel."""
    return [(a != b)[0].any(0).cpu().numpy() for a, b in zip(first, second, strict=True)]
