#!/usr/bin/env python
"""Draw the figures of docs/en/how_the_sparse_engine_works.md, from real computation."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from mmpretrain.models import ConvNeXt, ResNet
from numpy.typing import NDArray
from torch import Tensor, nn

from videomac.models import RandomPatchMasking
from videomac.sparse import PatchGrid, PatchTensor
from videomac.visualization import mask_reach
from videomac.visualization.figures import DARK
from videomac.visualization.mask_reach_figure import (
    BLUE,
    GREY,
    ORANGE,
    bare,
    dissipation_figure,
    panel_figure,
)

PATCH = 32  # pixels
STAGES = (0, 1, 2, 3)


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('--out', default='docs/en/_static', help='folder of the pictures [%(default)s]')
    add('--image-size', type=int, default=224, help='pixels [%(default)s]')
    add('--ratio', type=float, default=0.75, help='share that is masked [%(default)s]')
    add('--seed', type=int, default=0, help='of masks, images and weights [%(default)s]')
    return parser


def encoders() -> dict[str, nn.Module]:
    """Stock networks that return the map after every stage."""
    convnext = ConvNeXt(
        arch='tiny',
        use_grn=True,
        layer_scale_init_value=0.0,
        out_indices=STAGES,
        gap_before_final_norm=False,
    )
    # Blocks whose last norm starts at zero would not let anything spread yet.
    resnet = ResNet(50, out_indices=STAGES, zero_init_residual=False)
    return {'ConvNeXt V2-T': convnext, 'ResNet-50': resnet}


def sample_images(count: int, size: int) -> Tensor:
    """Draw images of soft blobs of colour, shape [B, 3, size, size], mean 0.

    Neighbouring pixels are alike, as in photographs, which statistics depend on.
    """
    images = torch.zeros(count, 3, size, size)
    for side in (2, 4, 8, 16, 32):
        coarse = torch.randn(count, 3, side, side)
        images += (
            torch.nn.functional.interpolate(
                coarse, (size, size), mode='bicubic', align_corners=False
            )
            / side**0.5
        )
    return images / images.std()


# --- computation ----------------------------------------------------------------


def cells_read(kernel: int, grid: PatchGrid, cells: int, patch: int) -> NDArray[np.bool_]:
    """Find the cells that the convolution of one visible patch reads.

    They are those with a gradient.

    Args:
        kernel: Side of the kernel.
        grid: The visible patches of one image.
        cells: Side of a patch in cells.
        patch: Place of the patch among the visible ones.

    Returns:
        Bool, shape [rows * cells, cols * cells].
    """
    image = torch.ones(1, 1, grid.rows * cells, grid.cols * cells, requires_grad=True)
    conv = nn.Conv2d(1, 1, kernel, padding=kernel // 2, bias=False)
    nn.init.ones_(conv.weight)
    out: Any = conv(PatchTensor.from_dense(image, grid))  # type: ignore[arg-type]
    out.data[patch].sum().backward()
    assert image.grad is not None
    return (image.grad[0, 0] != 0).numpy()


def channel_statistics(
    images: Tensor, grid: PatchGrid, channels: int = 64
) -> dict[str, NDArray[np.float32]]:
    """Standard deviations that BatchNorm finds after the first layer of a ResNet.

    Args:
        images: Shape [B, 3, H, W].
        grid: The visible patches.
        channels: Channels of the layer.

    Returns:
        ``'whole'`` (images without mask), ``'visible'`` (sparse map) and ``'zeros'``
        (dense, zero where masked), each of shape [channels].
    """
    conv = nn.Conv2d(3, channels, 7, 2, 3, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode='fan_out')
    size = grid.patch_size
    with torch.no_grad():
        # The convolution sees whole images: here only the statistics differ.
        whole = conv(images)
        cells = size // 2
        inputs: dict[str, Any] = {
            'whole': whole,
            'visible': PatchTensor.from_dense(whole, grid),
            'zeros': whole.masked_fill(~grid.cell_mask(cells, cells)[:, None], 0.0),
        }
        found = {}
        for name, values in inputs.items():
            norm = nn.BatchNorm2d(channels, momentum=1.0).train()
            norm(values)
            assert norm.running_var is not None
            found[name] = norm.running_var.sqrt().numpy()
    return found


# --- drawing --------------------------------------------------------------------


def picture(image: Tensor) -> NDArray[np.float32]:
    """Bring an image [3, h, w] with mean 0 and deviation 1 to colours in 0..1."""
    return (image.permute(1, 2, 0) / 5 + 0.5).clamp(0, 1).numpy()


def packing_figure(image: Tensor, grid: PatchGrid) -> Figure:
    """The visible patches in the image, and one after the other as they are stored."""
    packed = PatchTensor.from_dense(image, grid).data
    number, side = len(packed), grid.patch_size
    masked = image.masked_fill(~grid.cell_mask(side, side)[:, None], float('nan'))[0]
    figure = panel_figure(7.6, 3.0)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.75])
    left.imshow(np.nan_to_num(picture(masked), nan=0.93))
    left.set_title(f'map, shape {list(image.shape)}', fontsize=10)
    columns = min(6, number)
    rows = -(-number // columns)
    for i in range(number):
        place = int(grid.index[i])
        corner = (place % grid.cols * side, place // grid.cols * side)
        left.text(*_middle(corner, side), str(i), **NUMBER)
        # A gap between the patches: in memory nothing is between them but the next.
        x, y = i % columns * (side + 6), i // columns * (side + 6)
        right.imshow(
            picture(packed[i].permute(2, 0, 1)), extent=(x, x + side, y + side, y)
        )
        right.text(*_middle((x, y), side), str(i), **NUMBER)
    right.set_xlim(-3, columns * (side + 6) - 3)
    right.set_ylim(rows * (side + 6) - 3, -3)
    shape = list(packed.shape)
    right.set_title(f'stored, shape {shape}: patch, row, column, channel', fontsize=10)
    for axes in (left, right):
        bare(axes)
    return figure


NUMBER: dict[str, Any] = dict(
    ha='center',
    va='center',
    fontsize=9,
    color='white',
    bbox=dict(boxstyle='round,pad=0.15', facecolor=DARK, edgecolor='none'),
)


def _middle(corner: tuple[int, int], side: int) -> tuple[float, float]:
    return corner[0] + side / 2, corner[1] + side / 2


def halo_figure(grid: PatchGrid, cells: int, patch: int) -> Figure:
    """What the convolutions of one patch read, for small and large kernels."""
    figure = panel_figure(7.6, 2.9)
    panels: Any = figure.subplots(1, 3)
    visible = grid.cell_mask(cells, cells)[0].numpy()
    top = int(grid.index[patch]) // grid.cols * cells
    left = int(grid.index[patch]) % grid.cols * cells
    for axes, kernel in zip(panels, (1, 3, 7), strict=True):
        read = cells_read(kernel, grid, cells, patch)
        values = np.where(visible, 1, 0) + read
        colours = ListedColormap([GREY, '#A9CDE6', BLUE])
        axes.imshow(values, cmap=colours, vmin=0, vmax=2)
        axes.set_xticks(np.arange(-0.5, visible.shape[1]), [])
        axes.set_yticks(np.arange(-0.5, visible.shape[0]), [])
        axes.grid(color='white', linewidth=0.8, zorder=2)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        reach = kernel // 2
        for grow, style in ((0, '-'), (reach, '--')):
            corner = (left - grow - 0.5, top - grow - 0.5)
            side = cells + 2 * grow
            axes.add_patch(
                Rectangle(
                    corner, side, side, fill=False, ls=style, lw=1.6, ec=DARK, zorder=5
                )
            )
        window = (cells + 2 * reach) ** 2
        axes.set_title(f'{kernel}x{kernel}: {read.sum()} of {window} cells', fontsize=10)
    handles = [Rectangle((0, 0), 1, 1, color=c) for c in (BLUE, '#A9CDE6', GREY)]
    labels = ['visible, read', 'visible', 'masked']
    figure.legend(
        handles, labels, loc='outside lower center', ncols=3, frameon=False, fontsize=10
    )
    return figure


def statistics_figure(found: dict[str, NDArray[np.float32]]) -> Figure:
    """Deviations of the channels, over visible cells and with zeros for the others."""
    figure = panel_figure(4.6, 3.6)
    axes = figure.subplots()
    largest = 1.08 * max(values.max() for values in found.values())
    axes.plot([0, largest], [0, largest], color='#999999', linewidth=1)
    for name, colour, label in (
        ('visible', BLUE, 'over visible cells (PatchTensor)'),
        ('zeros', ORANGE, 'over all cells, masked ones zero'),
    ):
        axes.scatter(found['whole'], found[name], s=14, color=colour, label=label)
    axes.set_xlim(0, largest)
    axes.set_ylim(0, largest)
    axes.set_xlabel('standard deviation without mask')
    axes.set_ylabel('standard deviation with mask')
    axes.spines[['top', 'right']].set_visible(False)
    axes.legend(frameon=False, loc='upper left')
    return figure


def halo_grid() -> PatchGrid:
    """A mask of 3x3 patches that shows all cases."""
    visible = [[False, True, False], [True, True, False], [False, False, True]]
    return PatchGrid.from_mask(torch.tensor([visible]), PATCH)


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line, draw, and print the numbers that the pictures show."""
    args = build_parser().parse_args(argv)
    mpl.rcParams['font.size'] = 10
    torch.manual_seed(args.seed)
    folder = Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)
    size = (args.image_size, args.image_size)
    masking = RandomPatchMasking(PATCH, args.ratio)
    (grid,), (many,) = masking(1, size, 1), masking(8, size, 1)
    images = sample_images(8, args.image_size)

    figures: dict[str, Figure] = {}
    for name, network in encoders().items():
        reaches = mask_reach(network, images[:1], grid)
        for kind in ('visible', 'dense', 'sparse'):
            shares = [f'{getattr(reach, kind).mean():.3f}' for reach in reaches]
            print(f'{name}, cells {kind}: {" ".join(shares)}')
        figures.setdefault('mask_dissipation', dissipation_figure(reaches, grid))
    figures['packed_patches'] = packing_figure(images[:1], grid)
    figures['halo'] = halo_figure(halo_grid(), cells=8, patch=2)
    found = channel_statistics(images, many)
    figures['visible_statistics'] = statistics_figure(found)
    for name in ('visible', 'zeros'):
        ratio = float(np.median(found[name] / found['whole']))
        print(f'BatchNorm, deviation over {name} / without mask: {ratio:.3f}')
    for name, figure in figures.items():
        figure.savefig(folder / f'{name}.png')
        print(f'wrote {folder / name}.png')


if __name__ == '__main__':
    main()
