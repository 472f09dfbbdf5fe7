"""Tables of benchmarks with what is needed to repeat them."""

from __future__ import annotations

import argparse
import datetime
import platform
import statistics
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch
from timing import Measured, median_ratio

import videomac
from videomac.utils import keep_freed_memory, markdown_table

__all__ = ['FLOOR', 'HIGHER', 'PRODUCTS', 'tabulate']

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


def _machine(options: argparse.Namespace) -> str:
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


def _options(
    description: str, encoders: Iterable[str], default: list[str]
) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    add, names = parser.add_argument, sorted(encoders)
    add('--encoders', nargs='+', default=default, choices=names, metavar='NAME')
    add('--batch', type=int, default=8, help='samples [%(default)s]')
    add('--image-size', type=int, default=224, help='pixels [%(default)s]')
    add('--mask-ratio', type=float, default=0.75, help='[%(default)s]')
    add('--rounds', type=int, default=7, help='[%(default)s]')
    add('--device', default='cpu', help='cpu or cuda [%(default)s]')
    add('--dtype', default='float32', choices=('float32', 'bfloat16'))
    add('--out', help='also write the table to this file')
    parser.epilog = f'Encoders: {", ".join(names)}.'
    return parser.parse_args()


def tabulate(
    description: str,
    encoders: Iterable[str],
    default: list[str],
    measure: Callable[[str, argparse.Namespace], Mapping[str, Measured]],
) -> None:
    """Read the command line, measure each encoder that it names and print a table.

    Args:
        description: What the benchmark is.
        encoders: Names that may be asked for.
        default: Names of those that are measured if none is asked for.
        measure: Measures the contenders for one encoder.
    """
    options = _options(description, encoders, default)
    keep_freed_memory()
    rows: list[list[str]] = []
    for name in options.encoders:
        rows += _rows(name, measure(name, options))
        text = f'{_machine(options)}\n\n{markdown_table(HEAD, rows, "<")}\n'
        print(text, flush=True)
        if options.out:
            Path(options.out).write_text(text)


def _mebibytes(size: int | None) -> str:
    return '' if size is None else f'{size / 2**20:.0f}'


def _share(part: int | None, whole: int | None) -> str:
    return '' if not part or not whole else f'{part / whole:.2f}'


def _rows(encoder: str, measured: Mapping[str, Measured]) -> list[list[str]]:
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
