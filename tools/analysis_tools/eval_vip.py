#!/usr/bin/env python
"""Score a folder of predicted masks on VIP: mean IoU of parts, or AP of instances."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from videomac.datasets import VIPDataset
from videomac.evaluation import VideoMetric, VIPInstanceAP, VIPMeanIoU
from videomac.evaluation.offline import MaskReader, report, score_predictions
from videomac.utils.quiet import quiet_log


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('pred_dir', type=Path, help='predictions, <video>/<frame>.png')
    add('vip_root', type=Path, help='folder with Images, Annotations, lists')
    add('--split', default='val', help='list of the videos [val]')
    add(
        '--labels',
        choices=['category', 'instance'],
        default='category',
        help='what the predictions are: classes (mean IoU) or instances (AP)',
    )
    add('--videos', nargs='+', metavar='NAME', help='score these videos only')
    add(
        '--skip-first',
        action='store_true',
        help='leave out the first frame (published numbers count it)',
    )
    add('--out-dir', help='folder for the tables [the predictions]')
    add('--no-tables', action='store_true', help='print the scores, write nothing')
    add('--workers', type=int, default=1, help='number of processes [1]')
    return parser


@quiet_log(logging.INFO)
def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and score."""
    args = build_parser().parse_args(argv)
    try:
        dataset = VIPDataset(args.vip_root, args.split, args.labels, videos=args.videos)
        kind: type[VIPMeanIoU] | type[VIPInstanceAP]
        kind = VIPMeanIoU if args.labels == 'category' else VIPInstanceAP
        metric: VideoMetric = kind(first_frame=not args.skip_first)
        metric.dataset_meta = dataset.metainfo
        reader = MaskReader(args.pred_dir)
        reader.check(dataset, lambda length: range(int(args.skip_first), length))
        scores = score_predictions(dataset, metric, reader, args.workers)
        out_dir = None if args.no_tables else args.out_dir or args.pred_dir
        report(metric, scores, out_dir)
    except (OSError, ValueError) as error:
        raise SystemExit(f'eval_vip.py: {error}') from None


if __name__ == '__main__':
    main()
