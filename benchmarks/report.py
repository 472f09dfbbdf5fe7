"""Tables of benchmarks with what is needed to repeat them."""

from __future__ import annotations

import argparse
import datetime
import platform
from pathlib import Path

import torch

import videomac

__all__ = ['machine', 'markdown']


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


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """Lay out a table."""
    widths = [max(len(r[i]) for r in [head, *rows]) for i in range(len(head))]
    lines = [head, ['-' * w for w in widths], *rows]
    return ''.join(
        '| ' + ' | '.join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + ' |\n'
        for line in lines
    )
