#!/usr/bin/env python
"""Draw how a mask dissolves in the stages of an encoder, unless it runs sparsely."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from videomac.apis import load_encoder, open_video
from videomac.apis.build import build_network
from videomac.apis.zoo import model_config
from videomac.checkpoints.encoder_part import encoder_part
from videomac.checkpoints.weights import load_weights
from videomac.models import RandomPatchMasking
from videomac.models.propagation.stages import choose_stages
from videomac.utils import CONFIG_SUFFIXES
from videomac.utils.quiet import quiet_log
from videomac.visualization import mask_reach
from videomac.visualization.figures import save_figure


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('encoder', help="name of a config, or a checkpoint, 'timm:NAME' and the like")
    add('checkpoint', nargs='?', help='weights for the encoder of a config [random ones]')
    add('--image', help='picture, or video of which the first frame is taken [noise]')
    add('--out', default='mask_dissipation.png', help='figure to write [%(default)s]')
    add('--image-size', type=int, default=224, help='pixels [%(default)s]')
    add('--patch-size', type=int, default=32, help='pixels [%(default)s]')
    add('--ratio', type=float, default=0.75, help='share that is masked [%(default)s]')
    add('--seed', type=int, default=0, help='of mask and random weights [%(default)s]')
    return parser


def build_encoder(args: argparse.Namespace) -> nn.Module:
    """Build the network with its weights."""
    try:
        config = model_config(args.encoder)
    except ValueError:
        if args.checkpoint is not None or Path(args.encoder).suffix in CONFIG_SUFFIXES:
            raise
        return load_encoder(args.encoder).network
    network = build_network(encoder_part(config))
    if args.checkpoint is not None:
        load_weights(network, args.checkpoint)
    return network


class EveryStage(nn.Module):
    """A network that returns the maps of all its stages."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        if hasattr(network, 'out_indices') and not hasattr(network, 'timm_model'):
            count = getattr(network, 'num_stages', None)
            last = max(network.out_indices)  # type: ignore[arg-type, type-var]
            stages = range(count if isinstance(count, int) else 1 + int(last))
            choose_stages(network, stages, final_norm=False)
        self.network = network

    def forward(self, x: Tensor) -> list[Tensor]:
        """Compute the maps, the finest first."""
        out = self.network(x)
        return list(out) if isinstance(out, list | tuple) else [out]


def read_square(path: str, size: int) -> NDArray[np.uint8]:
    """Read a picture and cut its middle out, uint8 [size, size, 3]."""
    picture = open_video(path)[0]
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = np.ascontiguousarray(picture[top : top + side, left : left + side])
    kind = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(square, (size, size), interpolation=kind), np.uint8)


def draw(args: argparse.Namespace) -> str:
    """Compute the reach and draw it.

    Returns:
        What there is to say.
    """
    try:
        from videomac.visualization.mask_reach_figure import dissipation_figure
    except ImportError as error:
        raise ImportError(
            f'figures need matplotlib ({error}): pip install matplotlib'
        ) from error
    torch.manual_seed(args.seed)
    size = (args.image_size, args.image_size)
    (grid,) = RandomPatchMasking(args.patch_size, args.ratio)(1, size, 1)
    network = EveryStage(build_encoder(args))
    image = None
    pixels = torch.randn(1, 3, *size)
    if args.image is not None:
        image = read_square(args.image, args.image_size)
        pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 127.5 - 1
    reaches = mask_reach(network, pixels, grid)
    save_figure(dissipation_figure(reaches, grid, image), args.out)
    lines = []
    for kind in ('visible', 'dense', 'sparse'):
        shares = ' '.join(f'{getattr(reach, kind).mean():.3f}' for reach in reaches)
        lines.append(f'share of cells, {kind}: {shares}')
    return '\n'.join([*lines, f'Wrote {args.out}'])


@quiet_log(logging.INFO)
def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and draw."""
    args = build_parser().parse_args(argv)
    try:
        print(draw(args))
    except (ImportError, NotImplementedError, OSError, ValueError) as error:
        raise SystemExit(f'vis_mask_dissipation.py: {error}') from None


if __name__ == '__main__':
    main()
