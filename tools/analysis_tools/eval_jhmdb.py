#!/usr/bin/env python
"""Score a folder of predicted joints on JHMDB: PCK."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from videomac.datasets import JHMDBDataset
from videomac.evaluation import PCKMetric, PredictionWriter
from videomac.evaluation.offline import report, score_predictions
from videomac.utils.quiet import quiet_log


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('pred_dir', type=Path, help='predictions, <action>/<video>/poses.npz')
    add('jhmdb_root', type=Path, help='folder with Rename_Images, joint_positions')
    add('--list-file', default='testlist_split1.txt', help='list below the root')
    add('--videos', nargs='+', metavar='NAME', help='score these videos only')
    add(
        '--vfs',
        action='store_true',
        help='rules of VFS: count the first frame, and joints with x above 0 only',
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
        dataset = JHMDBDataset(args.jhmdb_root, args.list_file, videos=args.videos)
        metric = PCKMetric(first_frame=args.vfs, visible_above_zero=args.vfs)
        metric.dataset_meta = dataset.metainfo
        if not args.pred_dir.is_dir():
            raise FileNotFoundError(f"there is no folder '{args.pred_dir}'")
        writer = PredictionWriter(args.pred_dir)
        missing = writer.missing(dataset[i]['inputs'] for i in range(len(dataset)))
        if missing:
            raise FileNotFoundError(
                f'{len(missing)} of {len(dataset)} videos have no poses.npz in '
                f"'{args.pred_dir}' (first: {', '.join(missing[:5])})"
            )
        scores = score_predictions(dataset, metric, writer.read, args.workers)
        out_dir = None if args.no_tables else args.out_dir or args.pred_dir
        report(metric, scores, out_dir)
    except (OSError, ValueError) as error:
        raise SystemExit(f'eval_jhmdb.py: {error}') from None


if __name__ == '__main__':
    main()
