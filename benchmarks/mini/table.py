#!/usr/bin/env python
"""Lay the results of the mini-benchmark out: a table, and curves of J&F against time."""

from __future__ import annotations

import argparse
import csv
import io
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.mini.records import read_records
from benchmarks.mini.rows import ROWS, Row
from videomac.utils import markdown_table
from videomac.visualization.figures import COLOURS, new_figure, save_figure, tidy

Record = Mapping[str, Any]
HEAD = (
    *('row', 'encoder', 'seeds', 'J&F', 'J', 'F', 'over random', 'steps', 'minutes'),
    *('images, k', 'multiply-adds, T', 'machine'),
)
FOLDED = ('encoder', 'machine')  # columns that are left out if all rows agree
NOT_RUN = 'not yet run'


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    default = 'work_dirs/mini/results.jsonl'
    add('results', nargs='*', default=[default], help=f'files, read as one [{default}]')
    add('--csv', help='write the table to this file, too')
    add('--plot', help='draw the curves to this .png, .svg or .pdf')
    add('--rows', nargs='+', metavar='ROW', help='which rows [all]')
    add('--videos', action='store_true', help='give J&F of each video, too')
    return parser


def spread(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and standard deviation of a sample (n - 1); None of a single value."""
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return statistics.fmean(values), deviation


def percent(values: Sequence[float]) -> str:
    """Write shares as ``77.1 ± 0.4``."""
    mean, deviation = spread([100 * value for value in values])
    return f'{mean:.1f}' + ('' if deviation is None else f' ± {deviation:.1f}')


def final(records: Iterable[Record], row: str) -> list[Record]:
    """Records at the end of a row's trainings, the latest of each seed.

    Raises:
        ValueError: They are of different trainings and cannot be averaged.
    """
    found = {r['seed']: r for r in records if r['row'] == row and r['step'] == r['steps']}
    kinds = {(r['config'], r['steps']) for r in found.values()}
    if len(kinds) > 1:
        raise ValueError(
            f"row '{row}' has results of {len(kinds)} different configs or lengths, "
            'which have no mean: keep each in a file of its own'
        )
    return [found[seed] for seed in sorted(found)]


def random_weights(records: Iterable[Record], row: Row) -> list[Record]:
    """Records of the random initialisation of a row's encoder, none if not measured."""
    for each in ROWS:
        if each.encoder == row.encoder and not each.trained:
            return final(records, each.name)
    return []


def cells(records: Sequence[Record], row: Row, videos: Sequence[str] = ()) -> list[str]:
    """A line of the table, with J&F of each of ``videos`` before the machine."""
    found = final(records, row.name)
    if not found:
        empty = [''] * (len(HEAD) + len(videos) - 4)
        return [row.title, row.encoder, '0', NOT_RUN, *empty]
    scores = {name: [r[name] for r in found] for name in ('J&F', 'J', 'F')}
    floor, gain = [r['J&F'] for r in random_weights(records, row)], ''
    if row.trained and floor:
        more = statistics.fmean(scores['J&F']) - statistics.fmean(floor)
        gain = f'{100 * more:+.1f}'
    return [
        row.title,
        row.encoder,
        str(len(found)),
        *(percent(values) for values in scores.values()),
        gain,
        str(found[0]['steps']),
        f'{statistics.fmean(r["seconds"] for r in found) / 60:.1f}',
        f'{found[0]["images"] / 1e3:.1f}',
        f'{found[0]["multiply_adds"] / 1e12:.1f}',
        *(percent([r['sequences'][video]['J&F'] for r in found]) for video in videos),
        '; '.join(sorted({r['machine'] for r in found})),
    ]


def lay_out(
    records: Sequence[Record], rows: Sequence[Row], with_videos: bool
) -> list[list[str]]:
    """All lines, the head first and the machine last."""
    names = {
        name
        for row in rows
        for record in final(records, row.name)
        for name in record['sequences']
    }
    videos = sorted(names) if with_videos else []
    *head, machine = HEAD
    return [[*head, *videos, machine], *(cells(records, row, videos) for row in rows)]


def page(lines: Sequence[Sequence[str]]) -> str:
    """The table as Markdown; what is the same for all is said once, below."""
    columns = list(zip(*lines, strict=True))
    below = []
    for name in FOLDED:
        (column,) = (column for column in columns if column[0] == name)
        found = set(column[1:]) - {''}
        if len(found) == 1:
            columns.remove(column)
            below.append(f'{name.capitalize()}: {found.pop()}')
    head, *rows = zip(*columns, strict=True)
    table = markdown_table(head, rows, '<') + '\n'
    return table + ('\n' + '. '.join(below) + '.\n' if below else '')


def as_csv(lines: Sequence[Sequence[str]]) -> str:
    """The table as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerows(lines)
    return text.getvalue()


def curves(records: Sequence[Record], row: Row) -> list[list[tuple[float, float]]]:
    """Minutes and J&F (in percent) at the scored steps of each training of a row.

    Each begins at no minutes with the random weights of its encoder, where they were
    measured: those of its seed, else the mean of others.
    """
    start = {r['seed']: r['J&F'] for r in random_weights(records, row)}
    lines = []
    for training in final(records, row.name):
        seed = training['seed']
        found = [r for r in records if (r['row'], r['seed']) == (row.name, seed)]
        scores = {r['step']: (r['seconds'] / 60, 100 * r['J&F']) for r in found}
        line = [scores[step] for step in sorted(scores)]
        if start:
            floor = start.get(seed, statistics.fmean(start.values()))
            line.insert(0, (0.0, 100 * floor))
        lines.append(line)
    return lines


def plot(records: Sequence[Record], rows: Sequence[Row], path: str) -> None:
    """Draw J&F against minutes of training, a line for each seed.

    Raises:
        ValueError: There is nothing to draw.
    """
    shown = [row for row in rows if row.trained and final(records, row.name)]
    if not shown:
        raise ValueError('no training among the results: there is no curve to draw')
    figure = new_figure(figsize=(7, 4.2))
    (axes,) = figure.axes
    for i, row in enumerate(shown):
        colour = COLOURS[i % len(COLOURS)]
        style = ('-', '--', ':')[i // len(COLOURS) % 3]
        for n, line in enumerate(curves(records, row)):
            minutes, scores = zip(*line, strict=True)
            label = '' if n else row.title
            axes.plot(minutes, scores, style, marker='o', color=colour, label=label)
    tidy(axes, 'minutes of training', 'J&F, %')
    axes.legend(frameon=False)
    save_figure(figure, path)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    args = build_parser().parse_args(argv)
    try:
        for name in args.results:
            if not Path(name).is_file():
                raise ValueError(f"there is no file '{name}': run.py makes it")
        records = [r for name in args.results for r in read_records(Path(name))]
        unknown = set(args.rows or ()) - {row.name for row in ROWS}
        if unknown:
            raise ValueError(f'--rows: there is no row {sorted(unknown)}')
        rows = [row for row in ROWS if not args.rows or row.name in args.rows]
        lines = lay_out(records, rows, args.videos)
        print(page(lines), end='')
        if args.csv:
            Path(args.csv).write_text(as_csv(lines))
        if args.plot:
            plot(records, rows, args.plot)
    except (ImportError, OSError, ValueError) as error:
        print(f'table.py: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
