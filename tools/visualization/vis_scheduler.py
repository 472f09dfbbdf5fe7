#!/usr/bin/env python
"""Draw learning rate and target momentum over the iterations of a config's run."""

import argparse
import sys
import time
from collections.abc import Sequence

from mmengine.config import Config
from mmengine.registry import DefaultScope

from videomac.engine import learning_rate_ratio
from videomac.engine.schedules import batches_per_epoch, schedules
from videomac.registry import DATASETS
from videomac.utils import CfgOptions, merge_options, read_config
from videomac.visualization.schedules import plot_schedules

QUIET = 2.0  # seconds before progress is shown


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('config', help='path of a config, or its path below configs/ of the toolbox')
    add('--out', default='schedule.png', help='.png, .svg or .pdf [%(default)s]')
    add(
        '--samples',
        type=int,
        help='of the data set, from which the length of an epoch follows [it is built]',
    )
    add('--gpus', type=int, default=1, help='processes of the training [%(default)s]')
    add(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by the batch size, as train.py does',
    )
    add('--cfg-options', nargs='+', action=CfgOptions, metavar='KEY=VALUE')
    return parser


def epoch_length(cfg: Config, samples: int | None, processes: int) -> int | None:
    """Batches of an epoch; None where nothing depends on it."""
    if samples is None:
        if (cfg.get('train_cfg') or {}).get('max_epochs') is None:
            return None
        try:
            with DefaultScope.overwrite_default_scope('videomac'):
                samples = len(DATASETS.build(cfg.train_dataloader.dataset))
        except (OSError, ValueError) as error:
            raise ValueError(
                f'{error}. Without the data, give the number of its --samples'
            ) from error
    return batches_per_epoch(cfg.train_dataloader, samples, processes)


class Line:
    """A line on standard error that says how far the computation is."""

    def __init__(self) -> None:
        self.start = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Rewrite the line."""
        if time.monotonic() - self.start > QUIET:
            print(f'\r{done}/{total} iterations ', end='', file=sys.stderr)


def draw(args: argparse.Namespace) -> str:
    """Draw the figure.

    Returns:
        What there is to say.
    """
    if args.gpus < 1 or (args.samples is not None and args.samples < 1):
        raise ValueError('--gpus and --samples must be at least 1')
    cfg = read_config(args.config)
    merge_options(cfg, args.cfg_options)
    if args.auto_scale_lr:
        ratio = learning_rate_ratio(cfg, args.gpus)  # says if there is none to scale
        cfg.optim_wrapper.optimizer.lr *= ratio
    epoch = epoch_length(cfg, args.samples, args.gpus)
    found = schedules(cfg, epoch, Line())
    plot_schedules(found, args.out)
    total = len(found['lr'])
    lines = [f'{total} iterations' + (f', {epoch} an epoch' if epoch else '')]
    for name, values in found.items():
        top = max(range(total), key=values.__getitem__)
        lines.append(
            f'{name}: {values[0]:.4g} at first, {values[-1]:.4g} at last, '
            f'largest {values[top]:.4g} in iteration {top + 1}'
        )
    return '\n'.join([*lines, f'Wrote {args.out}'])


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and draw."""
    args = build_parser().parse_args(argv)
    try:
        print(draw(args))
    except (ImportError, OSError, ValueError) as error:
        raise SystemExit(f'vis_scheduler.py: {error}') from None


if __name__ == '__main__':
    main()
