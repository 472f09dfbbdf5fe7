#!/usr/bin/env python
"""Write a page about one or several training runs, in one file that needs no network."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from videomac.report import write_report


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('work_dirs', nargs='+', metavar='WORK_DIR', help='of training runs')
    add('--out', help='HTML file to write [report.html in the first work dir]')
    add('--names', nargs='+', metavar='NAME', help='of the runs [those of the folders]')
    add(
        '--evaluations',
        nargs='+',
        default=[],
        metavar='DIR',
        help='work dirs and picture folders of tools/test.py that are elsewhere',
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and write the page."""
    args = build_parser().parse_args(argv)
    out = args.out or Path(args.work_dirs[0], 'report.html')
    try:
        path = write_report(args.work_dirs, out, args.names, args.evaluations)
    except (OSError, ValueError) as error:
        raise SystemExit(f'report.py: {error}') from None
    print(f'Wrote {path}, {path.stat().st_size / 2**20:.1f} MiB')


if __name__ == '__main__':
    main()
