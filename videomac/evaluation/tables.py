"""Tables of results: for the log, for people and for the tools of the field."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

__all__ = ['text_table', 'write_csv', 'write_json', 'write_text']


def text_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay cells out in columns: the first to the left, the others to the right.

    Args:
        header: Names of the columns.
        rows: Rows of as many cells.

    Returns:
        Lines of equal width.
    """
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return '\n'.join(
        '  '.join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def write_text(path: Path, text: str) -> None:
    """Write a file as a whole or not at all."""
    partial = path.with_name(f'{path.name}.{os.getpid()}.partial')
    partial.write_text(text, encoding='utf-8')
    os.replace(partial, path)


def write_csv(
    path: Path, header: Sequence[str], rows: Iterable[Sequence[str | float]]
) -> None:
    """Write a table as the DAVIS toolkit does.

    Args:
        path: File to write.
        header: Names of the columns.
        rows: Words stay as they are, numbers get three decimals; NaN is left empty.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator='\n')
    writer.writerow(header)
    for row in rows:
        writer.writerow([_decimals(cell) for cell in row])
    write_text(path, buffer.getvalue())


def _decimals(cell: str | float) -> str:
    """A number with three decimals, NaN as nothing, a word as it is."""
    if isinstance(cell, str):
        return cell
    return '' if math.isnan(cell) else f'{cell:.3f}'


def write_json(path: Path, content: Any) -> None:
    """Write JSON, with null for NaN, which JSON does not know."""
    write_text(path, json.dumps(_without_nan(content), indent=2) + '\n')


def _without_nan(value: Any) -> Any:
    """The same content with None for NaN and infinity."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
