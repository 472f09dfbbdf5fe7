#!/usr/bin/env python
"""Draw the losses, or any other scalars, of one or several training runs."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from videomac.visualization.curves import SMOOTHING, Scalars, plot_losses, plot_runs
from videomac.visualization.run_log import read_run


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('runs', nargs='+', metavar='RUN', help='work dir of a run, or its scalars.json')
    add('--out', default='losses.png', help='.png, .svg or .pdf [%(default)s]')
    add('--legend', nargs='+', metavar='NAME', help='of each run [names of the folders]')
    add('--keys', nargs='+', metavar='KEY', help='scalars to draw [the losses]')
    add(
        '--smoothing',
        type=float,
        default=SMOOTHING,
        help='width of the smoothing window as a share of the curve, in 0..1 '
        '[%(default)s]; 0 for none',
    )
    add('--log', action='store_true', help='logarithmic scale of the values')
    return parser


def name_runs(runs: Sequence[str], legend: Sequence[str] | None) -> list[str]:
    """Find a name for each run: the shortest ends of the paths that differ.

    Raises:
        ValueError: The number of names is another one, or two are equal.
    """
    if legend is not None:
        if len(legend) != len(runs) or len(set(legend)) < len(legend):
            raise ValueError(
                f'--legend needs {len(runs)} different names, one for each run, got '
                f'{list(legend)}'
            )
        return list(legend)
    parts = [Path(run).resolve().parts for run in runs]
    if len(set(parts)) < len(parts):
        raise ValueError('a run is named twice')
    for length in range(1, max(map(len, parts)) + 1):
        names = ['/'.join(part[-length:]) for part in parts]
        if len(set(names)) == len(names):
            break
    return names


def draw(args: argparse.Namespace) -> str:
    """Draw the figure.

    Returns:
        What there is to say.
    """
    if not 0 <= args.smoothing <= 1:
        raise ValueError(f'--smoothing must be in 0..1, got {args.smoothing:g}')
    names = name_runs(args.runs, args.legend)
    runs: dict[str, Scalars] = {
        name: read_run(run) for name, run in zip(names, args.runs, strict=True)
    }
    if len(runs) == 1 and args.keys is None and not args.log:
        (scalars,) = runs.values()
        plot_losses(scalars, args.out, args.smoothing)
        shown = [key for key in scalars if key.startswith('loss')]
    else:
        shown = plot_runs(runs, args.out, args.keys, args.smoothing, args.log)
    lines = []
    for name, scalars in runs.items():
        drawn = [scalars[key] for key in shown if key in scalars]
        last = max((step for curve in drawn for step, _ in curve), default=0)
        values = [f'{k} {scalars[k][-1][1]:.4g}' for k in shown if k in scalars]
        lines.append(f'{name}, iteration {last}: {", ".join(values)}')
    return '\n'.join([*lines, f'Wrote {args.out}'])


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and draw."""
    args = build_parser().parse_args(argv)
    try:
        print(draw(args))
    except (ImportError, OSError, ValueError) as error:
        raise SystemExit(f'plot_losses.py: {error}') from None


if __name__ == '__main__':
    main()
