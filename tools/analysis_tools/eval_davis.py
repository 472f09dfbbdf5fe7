#!/usr/bin/env python
"""Score a folder of predicted masks on DAVIS-2016 or DAVIS-2017: J and F."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from videomac.datasets import DAVISDataset
from videomac.evaluation import JAndFMetric
from videomac.evaluation.offline import MaskReader, report, score_predictions
from videomac.utils.quiet import quiet_log


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('pred_dir', type=Path, help='predictions, <video>/<frame>.png: palette PNGs')
    add('davis_root', type=Path, help='folder with Annotations and ImageSets')
    add('--year', type=int, choices=[2016, 2017], default=2017)
    add('--split', default='val', help='list of the videos [val]')
    add('--resolution', default='480p', help='folder below Annotations [480p]')
    add('--videos', nargs='+', metavar='NAME', help='score these videos only')
    add(
        '--all-frames',
        action='store_true',
        help='score the first and the last frame too (the official scores do not)',
    )
    add('--bound', type=float, default=0.008, help='tolerance of F, of the diagonal')
    add('--out-dir', help='folder for the tables [the predictions]')
    add('--no-tables', action='store_true', help='print the scores, write nothing')
    add('--workers', type=int, default=1, help='number of processes [1]')
    return parser


@quiet_log(logging.INFO)
def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and score."""
    args = build_parser().parse_args(argv)
    try:
        dataset = DAVISDataset(
            args.davis_root,
            args.year,
            args.split,
            args.resolution,
            videos=args.videos,
            images=(args.davis_root / 'JPEGImages' / args.resolution).is_dir(),
        )
        metric = JAndFMetric(args.bound, args.all_frames)
        metric.dataset_meta = dataset.metainfo
        reader = MaskReader(args.pred_dir, merge_objects=args.year == 2016)
        skipped = 0 if args.all_frames else 1
        reader.check(dataset, lambda length: range(skipped, length - skipped))
        scores = score_predictions(dataset, metric, reader, args.workers)
        out_dir = None if args.no_tables else args.out_dir or args.pred_dir
        report(metric, scores, out_dir)
    except (OSError, ValueError) as error:
        raise SystemExit(f'eval_davis.py: {error}') from None


if __name__ == '__main__':
    main()
