#!/usr/bin/env python
"""Draw where the features of a frame agree with chosen points of another one."""

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from videomac.datasets import UnreadableVideoError
from videomac.datasets.network_frames import NetworkFrames, network_size
from videomac.datasets.propagation_base import IMAGENET_MEAN, IMAGENET_STD
from videomac.datasets.sources.images import read_image
from videomac.models.propagation import FeatureExtractor
from videomac.models.random_weights import choose_weights, untrained
from videomac.registry import MODELS
from videomac.utils import CfgOptions, merge_options, read_config
from videomac.utils.devices import usable_device
from videomac.utils.quiet import quiet_log
from videomac.visualization import affinity_sheet, save_image
from videomac.visualization.affinity import check_inside, choose_points

SHORT_SIDE, MULTIPLE = 480, 32  # pixels, for configs that name no data set to evaluate
SCOPE = 'videomac'
EXTRACTOR = 'FeatureExtractor'
POINTS = 3


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('config', help='of propagation, pre-training, or a classifier of mmpretrain')
    add(
        'checkpoint',
        nargs='?',
        help="weights; 'none' for random ones [those of the config, else random]",
    )
    add('frame1', help='picture with the points')
    add('frame2', help='picture that is compared with them')
    add(
        '--point',
        nargs=2,
        type=float,
        action='append',
        metavar=('X', 'Y'),
        help='in pixels of the first frame, from its upper left; may be repeated '
        f'[{POINTS} strong corners]',
    )
    add('--out', default='affinity.png', help='picture to write [%(default)s]')
    add('--self', action='store_true', help='show agreement within frame 1 as well')
    add(
        '--range',
        nargs=2,
        type=float,
        metavar=('LOW', 'HIGH'),
        help='similarities of the darkest and brightest colour [of each heat map]',
    )
    add('--size', type=int, nargs='+', help='short side, or height and width, in pixels')
    add('--prefix', help="beginning of the network's keys, such as target.encoder.")
    add('--out-stage', type=int, nargs='+', help='stage or stages [last, or of config]')
    add('--output-stride', type=int, help='pixels to a cell [native, or of config]')
    add('--device', help='where to compute [a GPU if there is one]')
    add('--seed', type=int, default=0, help='of random weights [%(default)s]')
    add('--cfg-options', nargs='+', action=CfgOptions, metavar='KEY=VALUE')
    return parser


def extractor_config(cfg: Config, args: argparse.Namespace) -> dict[str, Any]:
    """Find the part of a config that makes features, and fill in the command line.

    Raises:
        ValueError: There is none, or it does not know what the command line asks for.
    """
    model = cfg.get('model')
    if not isinstance(model, Mapping):
        raise ValueError(f"'{args.config}' has no model")
    backbone = model.get('backbone') or model.get('encoder')
    if not isinstance(backbone, Mapping):
        raise ValueError(
            f"the model of '{args.config}' has neither a backbone nor an encoder; it has "
            f'{sorted(model)}. Give a config of configs/propagation or configs/videomac'
        )
    backbone = ConfigDict(backbone)
    if str(backbone.get('type')).split('.')[-1] != EXTRACTOR:
        # Its types are those of the package that the config is for.
        scope = cfg.get('default_scope') or SCOPE
        network = {'_scope_': scope, **backbone}
        backbone = ConfigDict(type=EXTRACTOR, network=network)
    asked = {
        'prefix': args.prefix,
        'out_stage': args.out_stage,
        'output_stride': args.output_stride,
    }
    backbone.update({key: value for key, value in asked.items() if value is not None})
    if args.checkpoint is not None:
        return choose_weights(backbone, args.checkpoint)
    return backbone


def weights_note(backbone: Mapping[str, Any]) -> str:
    """Say where the weights are from."""
    if backbone.get('checkpoint'):
        return f'weights of {Path(backbone["checkpoint"]).name}'
    network = backbone['network']
    named = untrained(network) != network
    return "weights of the config's network" if named else 'random weights'


def prepare(cfg: Config, path: str, size: Sequence[int] | None) -> Tensor:
    """Read a frame as the config's evaluation does, [1, 3, H, W]."""
    dataset = cfg.get('test_dataloader', {}).get('dataset', {})
    picture = read_image(path)
    chosen = size or dataset.get('size', SHORT_SIDE)
    if size is not None and len(size) == 1:
        chosen = size[0]
    multiple = dataset.get('multiple', MULTIPLE)
    target = network_size((picture.shape[0], picture.shape[1]), chosen, multiple)
    mean, std = dataset.get('mean', IMAGENET_MEAN), dataset.get('std', IMAGENET_STD)
    return NetworkFrames([path], target, mean, std)[0][None]


def draw(args: argparse.Namespace) -> str:
    """Compute features and draw the sheet.

    Returns:
        What there is to say.
    """
    device = usable_device(args.device)
    cfg = read_config(args.config)
    merge_options(cfg, args.cfg_options)
    paths = (args.frame1, args.frame2)
    first, second = (read_image(path) for path in paths)
    points = [tuple(point) for point in args.point or choose_points(first, POINTS)]
    for point in points:
        check_inside(point, first.shape[:2])
    init_default_scope(SCOPE)
    backbone = extractor_config(cfg, args)
    torch.manual_seed(args.seed)
    network: nn.Module = MODELS.build(backbone)
    assert isinstance(network, FeatureExtractor)
    network.to(device)
    inputs = [prepare(cfg, path, args.size).to(device) for path in paths]
    features = [network(image)[0] for image in inputs]
    cells = ' x '.join(map(str, features[0].shape[1:]))
    name = type(network.network).__name__
    note = f'{name}, {weights_note(backbone)}: {len(features[0])} channels, {cells} cells'
    picture, found = affinity_sheet(
        (first, second),
        (features[0], features[1]),
        points,
        args.self,
        None if args.range is None else tuple(args.range),
        note,
    )
    save_image(args.out, picture)
    lines = [note]
    for (x, y), match in zip(points, found, strict=True):
        best = f'({match.best[0]:.0f}, {match.best[1]:.0f})'
        lines.append(
            f'  ({x:.0f}, {y:.0f}) is most like {best}: {match.scores.max():.3f}, '
            f'the least is {match.scores.min():.3f}'
        )
    return '\n'.join([*lines, f'Wrote {args.out}'])


@quiet_log(logging.INFO)
def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and draw."""
    # Intermixed, or options between the frames would confuse config and checkpoint.
    args = build_parser().parse_intermixed_args(argv)
    try:
        print(draw(args))
    except (OSError, ValueError, UnreadableVideoError) as error:
        raise SystemExit(f'vis_affinity.py: {error}') from None


if __name__ == '__main__':
    main()
