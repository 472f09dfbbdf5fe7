"""The tables of the zoo in Markdown."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from ..utils import markdown_table
from .paper import PaperTable, paper_tables
from .zoo_entry import ZooCost, ZooEntry, measurements, title

__all__ = ['TABLES', 'zoo_table']

Entries = Mapping[str, ZooEntry]
Link = Callable[[str], str]


def scaled(value: int | None, unit: float) -> str:
    """A count in millions or billions, or a dash."""
    return '-' if value is None else f'{value / unit:.2f}'


def score(value: float | None) -> str:
    """A score as the paper prints it, or a dash."""
    return '-' if value is None else f'{value:g}' if value > 100 else f'{value:.1f}'


def _sizes(cost: ZooCost | None) -> list[str]:
    """Parameters and multiply-adds of an encoder."""
    if cost is None:
        return ['-'] * 3
    return [
        scaled(cost.parameters, 1e6),
        scaled(cost.dense, 1e9),
        scaled(cost.visible, 1e9),
    ]


def _of_paper(entry: ZooEntry, metric: str) -> str:
    """The paper's score of a config, which all its tables have in common."""
    found = [scores[metric] for _, scores in entry.paper() if metric in scores]
    return score(found[0] if found else None)


def _ours(entry: ZooEntry, metric: str) -> str:
    """Our latest score of a config as it stands."""
    found = [
        m['metrics'][metric]
        for m in measurements()
        if m['config'] == entry.config and not m.get('changes') and metric in m['metrics']
    ]
    return score(found[-1] if found else None)


def _published(entry: ZooEntry, key: str) -> str:
    """A link to a log or to weights, or a dash."""
    found = [m[key] for m in measurements() if m['config'] == entry.config and m.get(key)]
    return f'[{key}]({found[-1]})' if found else '-'


def pretraining(entries: Entries, link: Link) -> str:
    """All pre-training configs but the demo."""
    header = ['encoder', 'data', 'config', 'parameters, M', 'dense, G', 'visible, G']
    header += ['decoder, M', 'J&F, paper', 'J&F, ours', 'log', 'weights']
    rows = []
    for entry in _of_folder(entries, 'videomac'):
        data = entry.metadata().get('Training Data', '-')
        decoder = entry.cost.decoder_parameters if entry.cost else None
        rows.append(
            [
                *(title(entry.name), data, link(entry.config)),
                *_sizes(entry.cost),
                scaled(decoder, 1e6),
                *(_of_paper(entry, 'J&F'), _ours(entry, 'J&F')),
                *(_published(entry, key) for key in ('log', 'weights')),
            ]
        )
    return markdown_table(header, rows)


def finetuning(entries: Entries, link: Link) -> str:
    """All configs of classifiers but the demo."""
    header = ['encoder', 'config', 'images a step', 'epochs', 'parameters, M', 'dense, G']
    header += ['top-1, paper', 'top-1, ours', 'log', 'weights']
    rows = []
    for entry in _of_folder(entries, 'finetune'):
        known = entry.metadata()
        rows.append(
            [
                *(title(entry.name), link(entry.config)),
                *(str(known.get(key, '-')) for key in ('Batch Size', 'Epochs')),
                *_sizes(entry.cost)[:2],
                *(_of_paper(entry, 'top-1'), _ours(entry, 'top-1')),
                *(_published(entry, key) for key in ('log', 'weights')),
            ]
        )
    return markdown_table(header, rows)


def rivals(entries: Entries, link: Link) -> str:
    """The methods that VideoMAC is compared with, pre-trained on the same frames."""
    header = ['method', 'encoder', 'config', 'masked', 'parameters, M', 'dense, G']
    header += ['visible, G', 'J&F, ours', 'log', 'weights']
    rows = []
    for entry in _of_folder(entries, 'rivals'):
        encoder = title(f'videomac_{entry.name.partition("_")[2]}')
        rows.append(
            [
                *(entry.collection, encoder, link(entry.config)),
                str(entry.settings.get('mask_ratio', '-')),
                *_sizes(entry.cost),
                _ours(entry, 'J&F'),
                *(_published(entry, key) for key in ('log', 'weights')),
            ]
        )
    return markdown_table(header, rows)


def _of_folder(entries: Entries, folder: str) -> list[ZooEntry]:
    return [entry for path, entry in entries.items() if path.startswith(f'{folder}/')]


def ablations(entries: Entries, link: Link) -> str:
    """The parts of Tables 2 to 4, each under its heading."""
    parts = []
    for table in paper_tables().values():
        if table.is_ablation:
            head = f'### {table.title} (Table {table.number}): `{table.name}`'
            parts += [head, _ablation(table, entries, link)]
    return '\n\n'.join(parts)


def _ablation(table: PaperTable, entries: Entries, link: Link) -> str:
    shown = [name for name in table.metrics if name in ('J&F', 'J', 'F')]
    header = [*table.about, *(f'{name}, paper' for name in shown), 'J&F, ours', 'config']
    header += ['encoder, visible, G', 'decoder, M', 'decoder, G']
    rows = []
    for row in table.rows:
        if row.config is None:
            continue
        entry = entries[row.config]
        paper = dict(zip(table.metrics, row.scores, strict=True))
        cost = entry.cost or ZooCost(0, 0)
        rows.append(
            [
                *row.about,
                *(score(paper[name]) for name in shown),
                *(_ours(entry, 'J&F'), link(row.config)),
                scaled(cost.visible, 1e9),
                *(scaled(cost.decoder_parameters, 1e6), scaled(cost.decoder, 1e9)),
            ]
        )
    return markdown_table(header, rows)


def methods(entries: Entries, link: Link) -> str:
    """Table 1 of the paper."""
    return _quoted(paper_tables()['methods'], link)


def table5(entries: Entries, link: Link) -> str:
    """Table 5 of the paper."""
    return _quoted(paper_tables()['finetuning'], link)


def _quoted(table: PaperTable, link: Link) -> str:
    """A table as the paper has it, with the configs of its rows."""
    header = [*table.about, *(f'{name}, paper' for name in table.metrics), 'config']
    rows = [
        [*row.about, *map(score, row.scores), link(row.config) if row.config else '-']
        for row in table.rows
    ]
    return markdown_table(header, rows)


def measured(entries: Entries, link: Link, but: str | None = None) -> str:
    """What we have measured ourselves, but for the configs of a folder."""
    header = ['config', 'changes', 'scores', 'data', 'date', 'commit']
    rows = []
    for found in measurements():
        if but is not None and found['config'].startswith(f'{but}/'):
            continue
        values = ', '.join(f'{k} {v:.1f}' for k, v in found['metrics'].items())
        changes = '<br>'.join(f'`{text}`' for text in found.get('changes') or ['none'])
        row = [link(found['config']), changes, values, found['dataset']]
        rows.append([*row, str(found['date']), found['commit']])
    return markdown_table(header, rows) if rows else 'Nothing yet.'


def measured_trainings(entries: Entries, link: Link) -> str:
    """What we have measured of trainings, not of weights that are there."""
    return measured(entries, link, but='propagation')


#: Tables by the names that pages call them.
TABLES: dict[str, Callable[[Entries, Link], str]] = {
    'pretraining': pretraining,
    'finetuning': finetuning,
    'rivals': rivals,
    'ablations': ablations,
    'methods': methods,
    'table5': table5,
    'measured': measured,
    'measured-trainings': measured_trainings,
}


def zoo_table(name: str, entries: Entries, page: Path, configs: Path) -> str:
    """Write a table for a page.

    Args:
        name: One of :data:`TABLES`.
        entries: All configs, by path below ``configs/``.
        page: The file that it goes into, for links.
        configs: The folder of the configs.
    """

    def link(config: str) -> str:
        target = os.path.relpath(configs / config, page.parent).replace(os.sep, '/')
        return f'[`{Path(config).stem}`]({target})'

    return TABLES[name](entries, link)
