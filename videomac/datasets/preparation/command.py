"""The command line that all converters share."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from ...utils.quiet import quiet_log
from .archives import Limits
from .conversion import check_tree, convert
from .converter import Converter
from .tasks import WorkerDiedError

__all__ = ['make_parser', 'run_command']


def make_parser(converter: Converter, description: str | None) -> argparse.ArgumentParser:
    """Make the parser of a converter.

    Args:
        converter: The data set; adds its own arguments.
        description: What the tool does.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        'sources',
        metavar='SRC',
        nargs='*',
        help='archives (zip, tar, tar.gz, tar.bz2, tar.xz) or folders, as published',
    )
    add('--out', default=converter.default_out, help='target [%(default)s]')
    add('--check', action='store_true', help='check the target instead of converting')
    add(
        '--content',
        action='store_true',
        help='check hashes too, and decode everything: reads all of the data',
    )
    add('--partial', action='store_true', help='convert without a check at the end')
    add(
        '--processes',
        type=int,
        default=len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else 4,
        help='processes that share the work [as many as CPUs]',
    )
    add('--show', type=int, default=20, help='problems to list [%(default)s]')
    add(
        '--max-ratio',
        type=float,
        default=Limits().ratio,
        help='refuse archives that grow by more than this [%(default)g]',
    )
    converter.add_arguments(parser)
    return parser


def run_command(
    converter: Converter,
    parser: argparse.ArgumentParser,
    argv: Sequence[str] | None = None,
) -> None:
    """Parse the command line, convert and check; errors end the program in words.

    Raises:
        SystemExit: Something is wrong with the sources, the target or the arguments.
    """
    args = parser.parse_args(argv)
    if args.check == bool(args.sources):
        parser.error(
            'give either SRC, what to convert, or --check alone to check the target'
        )
    if args.processes < 1:
        parser.error(f'--processes must be 1 or more, got {args.processes}')
    try:
        with quiet_log(logging.INFO):
            if not args.check:
                print(convert(converter, args))
            if not args.partial:
                print(check_tree(converter, args))
    except (OSError, ValueError, ImportError, WorkerDiedError) as error:
        raise SystemExit(f'{parser.prog}: {error}') from None
    except KeyboardInterrupt:
        print('stopped; the same command goes on from here', file=sys.stderr)
        raise SystemExit(130) from None
