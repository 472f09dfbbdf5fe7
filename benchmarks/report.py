"""Tables of benchmarks with what is needed to repeat them."""

from __future__ import annotations

import argparse
import datetime
import platform
import statistics
from collections.abc import Mapping
from pathlib import Path

import torch
from timing import Measured, median_ratio

import videomac

__all__ = ['FLOOR', 'HIGHER', 'PRODUCTS', 'add_options', 'machine', 'markdown', 'rows_of']

#: Contender that needs the time of the useful multiplications alone.
FLOOR = 'floor: visible multiply-adds at matmul rate'
#: Contender that does the matrix products of our step and nothing else.
PRODUCTS = 'its matrix products alone'
#: Ours with more of the image hidden.
HIGHER = 'videomac, 90 % masked'
HEAD = ['encoder', 'contender', 'median s', 'time / videomac', 'kept MiB']
HEAD += ['videomac / kept', 'peak MiB', 'videomac / peak']


def _processor(device: str) -> str:
    if device.startswith('cuda'):
        return torch.cuda.get_device_name()
    names = Path('/proc/cpuinfo')
    for line in names.read_text().splitlines() if names.exists() else ():
        if line.startswith('model name'):
            return f'{line.split(":")[1].strip()}, {torch.get_num_threads()} threads'
    return f'{platform.processor()}, {torch.get_num_threads()} threads'


def machine(options: argparse.Namespace) -> str:
    """Say when, where and with which versions and options a benchmark ran."""
    settings = ', '.join(
        f'{name.replace("_", " ")} {value}'
        for name, value in vars(options).items()
        if name not in ('out', 'encoders')
    )
    return (
        f'{datetime.date.today()}, {_processor(options.device)}, Python '
        f'{platform.python_version()}, torch {torch.__version__}, videomac '
        f'{videomac.__version__}; {settings}.'
    )


def add_options(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the options that all benchmarks of the sparse engine have."""
    parser.add_argument('--batch', type=int, default=8, help='samples [%(default)s]')
    parser.add_argument(
        '--image-size', type=int, default=224, help='pixels [%(default)s]'
    )
    parser.add_argument('--mask-ratio', type=float, default=0.75, help='[%(default)s]')
    parser.add_argument('--rounds', type=int, default=7, help='[%(default)s]')
    parser.add_argument('--device', default='cpu', help='cpu or cuda [%(default)s]')
    parser.add_argument(
        '--dtype',
        default='float32',
        choices=('float32', 'bfloat16'),
        help='[%(default)s]',
    )
    parser.add_argument('--out', help='also write the table to this file')
    return parser


def _mebibytes(size: int | None) -> str:
    return '' if size is None else f'{size / 2**20:.0f}'


def _share(part: int | None, whole: int | None) -> str:
    return '' if not part or not whole else f'{part / whole:.2f}'


def rows_of(encoder: str, measured: Mapping[str, Measured]) -> list[list[str]]:
    """Make a row of each contender; the first is what others are compared with."""
    ours = next(iter(measured.values()))
    return [
        [
            encoder,
            contender,
            f'{statistics.median(it.seconds):.3f}',
            f'{median_ratio(it.seconds, ours.seconds):.2f}',
            _mebibytes(it.kept),
            _share(ours.kept, it.kept),
            _mebibytes(it.peak),
            _share(ours.peak, it.peak),
        ]
        for contender, it in measured.items()
    ]


def markdown(rows: list[list[str]]) -> str:
    """Lay out a table."""
    widths = [max(len(r[i]) for r in [HEAD, *rows]) for i in range(len(HEAD))]
    lines = [HEAD, ['-' * w for w in widths], *rows]
    return ''.join(
        '| ' + ' | '.join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + ' |\n'
        for line in lines
    )
