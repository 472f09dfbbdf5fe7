"""A table of the paper with our own measurements beside its numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..evaluation.tables import write_text
from ..utils import markdown_table
from .paper import PaperRow, PaperTable

__all__ = ['MEASURED', 'ablation_caption', 'ablation_cells', 'write_ablation']

#: The paper's metrics that a DAVIS evaluation gives (in [0, 1]), and their names in it.
MEASURED = {'J&F': 'J&F-Mean', 'J': 'J-Mean', 'F': 'F-Mean'}

States = Mapping[str, Mapping[str, Any]]


def percent(value: float | None) -> str:
    """A score, or a dash where there is none."""
    return '-' if value is None else f'{value:.1f}'


def ablation_cells(table: PaperTable, states: States) -> list[list[str]]:
    """Lay out a table: under its header the rows that have a config.

    Args:
        table: The paper's.
        states: By config, what is known of our runs: ``metrics`` by the paper's names in
            percent, ``date`` and ``version``.
    """
    shown = [name for name in table.metrics if name in MEASURED]
    header = [*table.about, *(f'{name}, measured' for name in shown)]
    header += [f'{name}, paper' for name in shown] + ['config', 'date', 'commit']
    rows = [row for row in table.rows if row.config is not None]
    return [header, *(_line(table, row, states, shown) for row in rows)]


def _line(
    table: PaperTable, row: PaperRow, states: States, shown: list[str]
) -> list[str]:
    state = states.get(str(row.config), {})
    metrics: Mapping[str, float] = state.get('metrics', {})
    paper = dict(zip(table.metrics, row.scores, strict=True))
    return [
        *row.about,
        *(percent(metrics.get(name)) for name in shown),
        *(percent(paper[name]) for name in shown),
        Path(str(row.config)).stem,
        state.get('date', '-'),
        state.get('version', '-'),
    ]


def ablation_caption(table: PaperTable, states: States) -> str:
    """Say what the numbers are, and at what scale ours were measured.

    Args:
        table: The paper's.
        states: See :func:`ablation_cells`; ``videos`` is how many were scored, and
            ``changes`` what the command line changed in the configs.
    """
    videos = sorted({str(s['videos']) for s in states.values() if 'videos' in s})
    changes = {text: None for s in states.values() for text in s.get('changes', ())}
    lines = [
        f'# Table {table.number}: {table.title}',
        '"paper" is what Pei et al. (arXiv:2402.19082) report; "measured" is this run, '
        f'by label propagation on DAVIS-2017, number of videos: '
        f'{" or ".join(videos) or "none yet"}. All in percent.',
    ]
    if changes:
        lines.append(
            'This is not the setting of the paper, and the two are not to be compared: '
            + ', '.join(f'`{text}`' for text in changes)
            + '.'
        )
    return '\n\n'.join(lines)


def write_ablation(folder: Path, table: PaperTable, states: States) -> str:
    """Write ``<name>.md`` and ``<name>.csv``.

    Args:
        folder: Made if it is not there.
        table: The paper's.
        states: See :func:`ablation_cells`.

    Returns:
        The Markdown.
    """
    lines = ablation_cells(table, states)
    cells = markdown_table(lines[0], lines[1:])
    text = f'{ablation_caption(table, states)}\n\n{cells}\n'
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / f'{table.name}.md', text)
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator='\n').writerows(lines)
    write_text(folder / f'{table.name}.csv', buffer.getvalue())
    return text
