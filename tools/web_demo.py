#!/usr/bin/env python
"""Show a web page on which models are tried on clips: propagate, reconstruct, compare."""

import argparse
import logging
import sys
from collections.abc import Sequence

from videomac.utils.quiet import quiet_log


def build_parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--models',
        nargs='+',
        default=[],
        metavar='NAME',
        help='checkpoints or models of timm or mmpretrain (timm:resnet50) to offer first',
    )
    parser.add_argument(
        '--work-dirs',
        default='work_dirs',
        metavar='DIR',
        help='folder of runs, whose newest checkpoints are offered too [%(default)s]',
    )
    parser.add_argument(
        '--host',
        default='127.0.0.1',
        help='address to listen at; 0.0.0.0 opens the page to the network, without a '
        'password [%(default)s]',
    )
    parser.add_argument('--port', type=int, help='port [a free one from 7860 on]')
    parser.add_argument(
        '--open', action='store_true', help='open the page in the browser'
    )
    return parser


@quiet_log(logging.INFO)  # networks write a page about their first weights
def main(argv: Sequence[str] | None = None) -> int:
    """Serve the page until interrupted.

    Returns:
        Exit status: 0, or 1 if something is missing.
    """
    args = build_parser().parse_args(argv)
    try:
        from videomac.visualization.clips import mp4_works
        from videomac.web import find_models
        from videomac.web.models import hint
        from videomac.web.pages import serve

        if not mp4_works():
            raise ImportError(
                'the web page shows clips as MP4, which need PyAV: pip install av'
            )
        models = find_models(args.work_dirs, args.models)
        if hint(models):
            print(hint(models))
        serve(models, args.host, args.port, args.open)
    except (ImportError, OSError) as error:
        print(f'web_demo.py: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
