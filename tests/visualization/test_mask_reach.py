"""How far visible pixels reach, against dilation of the mask by the receptive field."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmpretrain.models import ConvNeXt
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from torch import nn

from videomac.sparse import PatchGrid
from videomac.visualization import mask_reach

PATCH = 8  # pixels


class Stages(nn.Sequential):
    """Returns the map after every layer."""

    def forward(self, x: Any) -> Any:
        outs = []
        for layer in self:
            x = layer(x)
            outs.append(x)
        return tuple(outs)


def make_stages(kernels: list[int], strides: list[int]) -> Stages:
    """Make convolutions that keep the size of the map but for their stride."""
    layers, channels = [], 3
    for kernel, stride in zip(kernels, strides, strict=True):
        layers.append(nn.Conv2d(channels, 4, kernel, stride, kernel // 2))
        channels = 4
    return Stages(*layers).double()


def make_grid(seed: int, rows: int, cols: int, visible: int) -> PatchGrid:
    order = torch.rand(rows * cols, generator=torch.Generator().manual_seed(seed))
    return PatchGrid.from_mask((order.argsort() < visible).view(1, rows, cols), PATCH)


def grow(mask: NDArray[np.bool_], cells: int) -> NDArray[np.bool_]:
    """Dilate by a square."""
    return binary_dilation(mask, np.ones((2 * cells + 1,) * 2, bool))


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(
    kernels=st.lists(st.sampled_from([1, 3, 5]), min_size=1, max_size=4),
    seed=st.integers(0, 1000),
    visible=st.integers(0, 6),
    data=st.data(),
)
def test_against_dilation(
    kernels: list[int], seed: int, visible: int, data: st.DataObject
) -> None:
    """A strided layer reaches a cell if its kernel there touches what is reached."""
    choice = st.lists(
        st.sampled_from([1, 1, 2]), min_size=len(kernels), max_size=len(kernels)
    )
    strides = data.draw(choice.filter(lambda s: np.prod(s) <= PATCH))
    grid = make_grid(seed, 3, 4, visible)
    torch.manual_seed(seed)
    image = torch.randn(1, 3, *grid.image_size, dtype=torch.float64)
    reached = grid.cell_mask(PATCH, PATCH)[0].numpy()
    found = mask_reach(make_stages(kernels, strides), image, grid)
    cells = PATCH
    for reach, kernel, stride in zip(found, kernels, strides, strict=True):
        reached = grow(reached, kernel // 2)[::stride, ::stride]
        cells //= stride
        assert np.array_equal(reach.dense, reached)
        assert np.array_equal(reach.visible, grid.cell_mask(cells, cells)[0].numpy())
        assert np.array_equal(reach.sparse, reach.visible)


def test_stock_convnext() -> None:
    """The first stage reaches as far as its 7x7 kernels; masked pixels do not matter."""
    network = ConvNeXt(
        arch=dict(depths=[2, 1, 1, 1], channels=[8, 8, 8, 8]),
        use_grn=True,
        layer_scale_init_value=0.0,
        out_indices=(0, 1, 2, 3),
        gap_before_final_norm=False,
    )
    mask = torch.zeros(1, 5, 5, dtype=torch.bool)
    mask[0, 0, 0] = True
    grid = PatchGrid.from_mask(mask, 32)
    image = torch.randn(1, 3, 160, 160)
    found = mask_reach(network, image, grid)
    assert network.training
    expected = grow(grid.cell_mask(8, 8)[0].numpy(), 2 * 3)
    assert np.array_equal(found[0].dense, expected)
    assert [reach.sparse.sum() for reach in found] == [64, 16, 4, 1]
    noise = torch.where(grid.cell_mask(32, 32)[:, None], image, torch.randn(3, 160, 160))
    again = mask_reach(network, noise, grid)
    assert all(
        np.array_equal(a.dense, b.dense) for a, b in zip(found, again, strict=True)
    )


def test_global_layers_reach_everything_densely() -> None:
    """GRN that is not at its start sees the whole map, and only a dense one leaks."""
    network = ConvNeXt(
        arch=dict(depths=[1, 1, 1, 1], channels=[8, 8, 8, 8]),
        use_grn=True,
        layer_scale_init_value=0.0,
        out_indices=(0,),
        gap_before_final_norm=False,
    )
    grn: Any = network.stages[0][0].grn
    nn.init.ones_(grn.gamma)
    grid = make_grid(0, 4, 4, 2)
    grid = PatchGrid.from_mask(grid.visible, 32)
    (reach,) = mask_reach(network, torch.randn(1, 3, 128, 128), grid)
    assert reach.dense.all()
    assert np.array_equal(reach.sparse, reach.visible)
