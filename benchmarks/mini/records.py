"""What was measured: a JSON object a line, with what is needed to repeat it."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import videomac

__all__ = ['append_record', 'circumstances', 'read_records']


def read_records(path: Path) -> list[dict[str, Any]]:
    """Read the lines of a file, none if it does not exist.

    Raises:
        ValueError: A line is no record; names it.
    """
    if not path.exists():
        return []
    records = []
    for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            record['row'], record['seed'], record['step']
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"'{path}', line {number} is no record of the mini-benchmark "
                f'({error!r}); remove the line, and what it measured is measured again'
            ) from error
        records.append(record)
    return records


def append_record(path: Path, record: Mapping[str, Any]) -> None:
    """Add a line, in one write, so that runs side by side can share a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(record, ensure_ascii=False) + '\n'
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, line.encode())
        os.fsync(handle)
    finally:
        os.close(handle)


def circumstances() -> dict[str, Any]:
    """When, where and with which versions something is measured."""
    return {
        'date': datetime.datetime.now(datetime.timezone.utc).isoformat('T', 'seconds'),
        'machine': _machine(),
        'load': round(os.getloadavg()[0], 1),  # others' processes make it slower
        'torch': torch.__version__,
        'videomac': videomac.__version__,
        'commit': _commit(),
    }


def _machine() -> str:
    threads = f'{torch.get_num_threads()} threads of {os.cpu_count()}'
    if torch.cuda.is_available():
        return f'{torch.cuda.get_device_name()}, {threads}'
    names = Path('/proc/cpuinfo')
    for line in names.read_text().splitlines() if names.exists() else ():
        if line.startswith('model name'):
            return f'{line.split(":")[1].strip()}, {threads}'
    return f'{platform.processor()}, {threads}'


def _commit() -> str | None:
    """Commit of the checkout, with a + if its files have been changed since."""

    def git(*arguments: str) -> str:
        command = ['git', '-C', str(Path(__file__).parent), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        changed = git('status', '--porcelain', '--untracked-files=no')
        return git('rev-parse', '--short=12', 'HEAD') + '+' * bool(changed)
    except (OSError, subprocess.CalledProcessError):
        return None
