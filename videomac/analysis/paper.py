"""The results that the paper reports, and the configs of their rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from ..utils import package_file

__all__ = ['PaperRow', 'PaperTable', 'default_config', 'paper_tables']

FILE = 'configs/paper.yml'


@dataclass(frozen=True)
class PaperRow:
    """A row of a table of the paper.

    Attributes:
        about: What the row is about, a text for each of the table's ``about``.
        scores: The paper's numbers, one for each of the table's metrics; None where
            the paper has none.
        config: Path below ``configs/`` of what the toolbox runs for it; None if the row
            is of somebody else's model.
    """

    about: tuple[str, ...]
    scores: tuple[float | None, ...]
    config: str | None = None

    @property
    def label(self) -> str:
        """Name of the row, such as ``VideoMAC, RN50, YT18, 100``."""
        return ', '.join(self.about)


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper.

    Attributes:
        name: Name on the command line.
        number: In the paper, such as ``3b``.
        title: What it compares.
        about: Headings of what the rows are about.
        metrics: Headings of the numbers.
        rows: The rows, in the paper's order.
    """

    name: str
    number: str
    title: str
    about: tuple[str, ...]
    metrics: tuple[str, ...]
    rows: tuple[PaperRow, ...]

    @property
    def is_ablation(self) -> bool:
        """Whether its rows are pre-training configs, compared on DAVIS-2017."""
        return self.number[0] in '234'


@cache
def _content() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(
        package_file(FILE).read_text(encoding='utf-8')
    )
    return content


def default_config() -> str:
    """Path below ``configs/`` of the paper's default, the base of the ablations."""
    return str(_content()['default'])


def paper_tables() -> dict[str, PaperTable]:
    """Read the tables of the paper, by name, in the paper's order.

    Returns:
        Tables 1 to 5; those with letters in parts. Scores are in percent.

    Raises:
        ValueError: A row of ``configs/paper.yml`` does not fit its table.
    """
    tables = {}
    for entry in _content()['tables']:
        rows = tuple(_row(entry, row) for row in entry['rows'])
        tables[entry['name']] = PaperTable(
            entry['name'],
            str(entry['number']),
            entry['title'],
            tuple(entry['about']),
            tuple(entry['metrics']),
            rows,
        )
    return tables


def _row(table: dict[str, Any], row: dict[str, Any]) -> PaperRow:
    about = tuple(str(item) for item in row['about'])
    scores = tuple(row['scores'])
    if (len(about), len(scores)) != (len(table['about']), len(table['metrics'])):
        raise ValueError(
            f'{FILE}: table {table["name"]}, row {row["about"]}: needs '
            f'{len(table["about"])} entries in about and {len(table["metrics"])} scores, '
            f'got {len(about)} and {len(scores)}'
        )
    return PaperRow(about, scores, row.get('config'))
