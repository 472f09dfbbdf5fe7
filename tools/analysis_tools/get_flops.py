#!/usr/bin/env python
"""Count the parameters and multiply-adds of a config's model, dense and with masks."""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from videomac.analysis import (
    Cost,
    costs,
    costs_by_module,
    count_parameters,
    multiply_adds,
)
from videomac.registry import MODELS
from videomac.utils import (
    CfgOptions,
    find_config,
    markdown_table,
    merge_options,
    plain_errors,
)

DEFAULT = 'configs/videomac/videomac_convnextv2-small_8xb64-amp-coslr-100e_ytvos.py'
SUFFIX = '-coslr-100e_ytvos.py'
CLASSES = 1000  # of ImageNet, for the classifiers whose sizes the paper gives


@dataclass(frozen=True)
class Row:
    """A row of the paper's Table 2 with the config that trains the network.

    Attributes:
        name: The network.
        millions: Of parameters, in the paper.
        billions: Of multiply-adds at 224 pixels, in the paper.
        config: The middle part of the config's name.
    """

    name: str
    millions: float
    billions: float
    config: str


TABLE_2 = (
    Row('ConvNeXt V2-S, isotropic', 22, 4.3, 'isotropic-convnextv2-small_8xb64-amp'),
    Row('ResNet-18', 12, 1.8, 'resnet18_8xb64'),
    Row('ResNet-50', 26, 4.1, 'resnet50_8xb64'),
    Row('ConvNeXt V2-T', 29, 4.5, 'convnextv2-tiny_8xb64-amp'),
    Row('ConvNeXt V2-S', 50, 8.7, 'convnextv2-small_8xb64-amp'),
    Row('ResNet-18, released code', 12, 1.8, 'released-resnet18_8xb64'),
    Row('ResNet-50, released code', 26, 4.1, 'released-resnet50_8xb64'),
    Row('ConvNeXt V2-T, released code', 29, 4.5, 'released-convnextv2-tiny_8xb64-amp'),
    Row('ConvNeXt V2-S, released code', 50, 8.7, 'released-convnextv2-small_8xb64-amp'),
)

TABLE_2_NOTES = """\
Multiply-adds (G: 10^9) of one image of 224 x 224 pixels. The paper gives the usual sizes
of the networks as classifiers of 1,000 classes; "+ head" adds that linear layer to the
encoder, which is what is pre-trained. "visible" is the encoder with the masks of the
config. "agrees": both figures with the head round to the paper's."""


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add(
        'config',
        nargs='?',
        default=DEFAULT,
        help='path of a config, or its path below configs/ of the toolbox [%(default)s]',
    )
    add(
        '--shape',
        type=int,
        nargs='+',
        metavar='PIXELS',
        help='height and width, or one for both [image_size of the config, or 224]',
    )
    add('--depth', type=int, default=0, help='list modules down to this level too')
    add('--table2', action='store_true', help="print the sizes of the paper's Table 2")
    add(
        '--cfg-options',
        nargs='+',
        action=CfgOptions,
        metavar='KEY=VALUE',
        help='change the config: model.masking.ratio=0.9',
    )
    return parser


def image_size(shape: Sequence[int] | None, cfg: Config) -> tuple[int, int]:
    """Read height and width from the command line or else from the config."""
    shape = shape or [cfg.get('image_size', 224)]
    if len(shape) > 2 or min(shape) < 1:
        raise SystemExit(f'get_flops.py: --shape takes one or two sides, got {shape}')
    return shape[0], shape[-1]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out a table, the first column to the left."""
    return markdown_table(header, rows, '<' + '>' * (len(header) - 1))


def billions(count: int | None) -> str:
    """Write multiply-adds."""
    return '-' if count is None else f'{count / 1e9:.3f}'


def cost_table(found: Iterable[Cost]) -> str:
    """Lay out costs."""
    return table(
        ('', 'params, M', 'dense, G', 'visible, G', 'share'),
        (
            (
                cost.name,
                f'{cost.parameters / 1e6:.2f}',
                billions(cost.dense),
                billions(cost.visible),
                '-' if cost.visible is None else f'{cost.visible / cost.dense:.3f}',
            )
            for cost in found
        ),
    )


def build(cfg: Config) -> nn.Module:
    """Build the model of a config."""
    init_default_scope(cfg.get('default_scope', 'videomac'))
    model: nn.Module = MODELS.build(cfg.model)
    return model


def table_2() -> str:
    """Compare the paper's Table 2 with the encoders of the configs."""
    rows = []
    for row in TABLE_2:
        cfg = Config.fromfile(find_config(f'videomac/videomac_{row.config}{SUFFIX}'))
        model: Any = build(cfg)
        masking = cfg.model.masking
        counted = multiply_adds(
            model.encoder, (224, 224), masking.patch_size, masking.ratio
        )
        width = model.decoder.proj.in_channels
        parameters = count_parameters(model.encoder)
        with_head = parameters + (width + 1) * CLASSES
        total = counted.dense + width * CLASSES
        agrees = (
            abs(with_head / 1e6 - row.millions) <= 0.5
            and abs(total / 1e9 - row.billions) <= 0.05
        )
        rows.append(
            (
                row.name,
                f'{row.millions:g}',
                f'{parameters / 1e6:.2f}',
                f'{with_head / 1e6:.2f}',
                f'{row.billions:g}',
                billions(counted.dense),
                billions(total),
                billions(counted.visible),
                'yes' if agrees else 'no',
            )
        )
    header = ('', 'paper, M', 'params, M', '+ head', 'paper, G', 'dense, G', '+ head')
    return table((*header, 'visible, G', 'agrees'), rows)


def report(cfg: Config, shape: tuple[int, int], depth: int) -> str:
    """Describe what the model of a config costs."""
    model = build(cfg)
    lines = [
        f'{type(model).__name__}, multiply-adds (G: 10^9) at {shape[0]} x {shape[1]}'
    ]
    masking = getattr(model, 'masking', None)
    if masking is not None:
        (grid,) = masking(1, shape, 1)
        lines[0] += (
            f', {grid.per_sample} of {grid.num_patches} patches of {grid.patch_size} '
            'pixels visible'
        )
        lines.append(
            'Encoder and decoder: forward, one frame. Training step: forward of all '
            'networks\nand backward of the trained one, one sample.'
        )
    lines += ['', cost_table(costs(model, shape))]
    if depth:
        lines += ['', cost_table(costs_by_module(model, shape, depth))]
    return '\n'.join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and print."""
    args = build_parser().parse_args(argv)
    if args.table2:
        print(f'{table_2()}\n\n{TABLE_2_NOTES}')
        return
    try:
        cfg = Config.fromfile(find_config(args.config))
    except FileNotFoundError as error:
        raise SystemExit(f'get_flops.py: {error}') from None
    merge_options(cfg, args.cfg_options, read=('image_size',))
    if 'model' not in cfg:
        raise SystemExit(f"get_flops.py: the config '{args.config}' has no model")
    if 'network' in cfg.model.get('backbone', {}):
        # Of label propagation, the features: the encoder at its output stride.
        cfg.model = cfg.model.backbone
    with plain_errors('get_flops.py'):
        print(report(cfg, image_size(args.shape, cfg), args.depth))


if __name__ == '__main__':
    main()
