"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ['markdown_table']


def markdown_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], align: str | None = None
) -> str:
    """Lay out a table.

    Args:
        header: A cell for each column.
        rows: As many cells each. A ``|`` in a cell is written such that it stays one.
        align: ``'<'`` or ``'>'``, the sides to which all columns go, or one of them for
            each column; cells are then as wide as their column. None leaves them as they
            are, for tables that are read on a page alone.

    Returns:
        Its lines, without an end of line at the end.

    Raises:
        ValueError: If a row has another number of cells than the header, or ``align`` is
            something else.
    """
    lines = [[cell.replace('|', r'\|') for cell in line] for line in (header, *rows)]
    count = len(header)
    for line in lines:
        if len(line) != count:
            raise ValueError(f'the table has {count} columns, and a row {line}')
    sides = align if align is None or len(align) != 1 else align * count
    if sides is not None and (len(sides) != count or set(sides) - set('<>')):
        raise ValueError(f"align must be '<' or '>', or {count} of them, got '{align}'")
    if sides is None:
        lines.insert(1, ['---'] * count)
    else:
        widths = [max(3, *map(len, column)) for column in zip(*lines, strict=True)]
        cells = list(zip(sides, widths, strict=True))
        lines = [
            [f'{c:{s}{w}}' for c, (s, w) in zip(line, cells, strict=True)]
            for line in lines
        ]
        lines.insert(1, ['-' * (w - 1) + ('-' if s == '<' else ':') for s, w in cells])
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)
