#!/usr/bin/env python
"""Draw what the model is given in training: frames, their shared crops, and masks."""

import argparse
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.registry import DefaultScope

from videomac.datasets import FramePairDataset, UnreadableVideoError
from videomac.registry import DATASETS, MODELS
from videomac.utils import CfgOptions, merge_options, read_config
from videomac.utils.quiet import quiet_log
from videomac.visualization import save_image
from videomac.visualization.sample_sheet import sample_sheet, training_samples

NUMBER = 4


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('config', help='of pre-training, or its path below configs/ of the toolbox')
    add('--out', default='samples.png', help='picture to write [%(default)s]')
    add('--videos', nargs='+', metavar='FILE', help="video files [the config's source]")
    add('--number', type=int, default=NUMBER, help='of random samples [%(default)s]')
    add('--indices', type=int, nargs='+', help='these samples rather than random ones')
    add('--seed', type=int, default=0, help='of samples, crops and masks [%(default)s]')
    add('--cfg-options', nargs='+', action=CfgOptions, metavar='KEY=VALUE')
    return parser


def draw(args: argparse.Namespace) -> str:
    """Read samples and draw them.

    Returns:
        What there is to say.
    """
    for name, value, least in (
        ('number', args.number, 1),
        ('seed', args.seed, 0),
        ('indices', min(args.indices or [0]), 0),
    ):
        if value < least:
            raise ValueError(f'--{name} must be at least {least}, got {value}')
    cfg = read_config(args.config)
    merge_options(cfg, args.cfg_options)
    settings: Any = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    if args.videos:
        settings.source = dict(type='VideoFiles', paths=args.videos)
    with DefaultScope.overwrite_default_scope('videomac'):
        dataset = DATASETS.build(settings) if settings else None
        masking = cfg.get('model', {}).get('masking')
        masks = None if masking is None else MODELS.build(masking)
        # VideoMAC masks all frames; some rivals one, of which their class tells.
        kind = None if masking is None else MODELS.get(cfg.model.type)
    if not isinstance(dataset, FramePairDataset):
        raise ValueError(
            f"'{args.config}' trains on {settings.get('type')}, not on frames of videos "
            '(FramePairDataset)'
        )
    indices = args.indices
    if indices is None:
        rng = np.random.default_rng(args.seed)
        count = min(args.number, len(dataset))
        indices = sorted(rng.choice(len(dataset), count, replace=False).tolist())
    samples = [
        sample
        for k, index in enumerate(indices)
        for sample in training_samples(
            dataset, index, masks, args.seed + k, getattr(kind, 'masked_frame', None)
        )
    ]
    save_image(args.out, sample_sheet(samples))
    return (
        f'{len(dataset)} samples of {len(dataset.videos)} videos; drawn: '
        f'{", ".join(map(str, indices))}\nWrote {args.out}'
    )


@quiet_log(logging.INFO)
def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and draw."""
    args = build_parser().parse_args(argv)
    try:
        print(draw(args))
    except (IndexError, OSError, ValueError, UnreadableVideoError) as error:
        raise SystemExit(f'browse_dataset.py: {error}') from None


if __name__ == '__main__':
    main()
