"""The page: numbers, curves and pictures of runs in one HTML file."""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from ..evaluation.tables import write_text
from ..utils.config_difference import flatten_config
from ..version import __version__
from ..visualization.curves import SMOOTHING
from .embedding import embed
from .line_chart import line_chart
from .run_record import (
    Evaluation,
    RunRecord,
    overlays,
    read_evaluations,
    read_run_record,
)

__all__ = ['write_report']

LOSSES = ('loss', 'loss_online', 'loss_target', 'loss_consistency')
SMALL = ('loss_consistency',)  # lost beside the other losses
TITLES = {
    'loss': 'Total loss',
    'loss_online': 'Loss of the online network, frame 1',
    'loss_target': 'Loss of the target network, frame 2',
    'loss_consistency': 'Consistency loss, weighted',
    'lr': 'Learning rate',
    'target_momentum': 'Momentum of the target',
    'samples_per_second': 'Samples a second',
    'time': 'Seconds an iteration',
    'data_share': 'Share of time waiting for data',
    'data_time': 'Seconds waiting for data',
    'visible_gflops': 'Billion multiply-adds a second',
    'gradient_norm': 'Norm of the gradient',
    'grad_norm': 'Norm of the gradient',
    'rss_gib': 'Memory of the process, GiB',
    'workers_gib': 'Memory of the workers, GiB',
    'cuda_gib': 'Memory on the GPU, GiB',
    'cuda_reserved_gib': 'Memory held on the GPU, GiB',
    'memory': 'Memory on the GPU, MiB',
    'val/time': 'Seconds an iteration of validation',
    'val/data_time': 'Seconds waiting for data of validation',
}
GROUPS = {
    'Losses': LOSSES,
    'Schedules': ('lr', 'target_momentum'),
    'Throughput': (
        'samples_per_second',
        'time',
        'data_share',
        'data_time',
        'visible_gflops',
    ),
    'Gradients and memory': (
        'gradient_norm',
        'grad_norm',
        'rss_gib',
        'workers_gib',
        'cuda_gib',
        'cuda_reserved_gib',
        'memory',
    ),
}
FROM_ZERO = (*LOSSES, 'lr', *GROUPS['Throughput'])
# Numbers of the table at the top: label, scalar, and how its values make one.
NUMBERS = (
    *((TITLES[name], name, 'last') for name in LOSSES),
    ('Seconds an iteration, median', 'time', 'median'),
    ('Share of time waiting for data, median', 'data_share', 'median'),
    ('Samples a second, median', 'samples_per_second', 'median'),
    ('Largest learning rate', 'lr', 'largest'),
    ('Memory on the GPU, GiB, largest', 'cuda_gib', 'largest'),
)
HIDDEN = ('base_lr', 'epoch', 'iter', 'step', 'eta')
NOTHING = '-'
ENDS = 3  # logged values that the last number is the mean of
FACTS = {
    'Encoder': 'model.encoder',
    'Patch size, pixels': 'model.masking.patch_size',
    'Share of hidden patches': 'model.masking.ratio',
    'Same patches in both frames': 'model.masking.symmetric',
    'Decoder': 'model.decoder',
    'Reconstruction loss': 'model.reconstruction_loss',
    'Consistency loss': 'model.consistency_loss',
    'Optimiser': 'optim_wrapper.optimizer',
    'Batch size of a process': 'train_dataloader.batch_size',
    'Length': 'train_cfg',
    'Seed': 'randomness.seed',
}
DATA_FACTS = {
    'Data set': 'train_dataloader.dataset.type',
    'Source': 'train_dataloader.dataset.source',
    'Gap between the frames': 'train_dataloader.dataset.gap',
    'Pipeline': 'train_dataloader.dataset.pipeline',
    'Workers': 'train_dataloader.num_workers',
}
NOT_COMPARED = ('work_dir', 'launcher', 'resume', 'load_from')
MOST_PICTURES = 6
MOST_CLIPS = 6


def write_report(
    runs: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    names: Sequence[str] | None = None,
    evaluations: Sequence[str | os.PathLike[str]] = (),
) -> Path:
    """Write the report of one or several runs.

    Args:
        runs: Their work dirs.
        out: HTML file to write.
        names: What to call them [the folders' names].
        evaluations: Further folders with results of ``tools/test.py``; those in the
            work dirs are found.

    Returns:
        The file.

    Raises:
        FileNotFoundError: A folder does not exist or has no log.
        ValueError: There is no run, or the names do not fit.
    """
    if not runs:
        raise ValueError('there is no run to report on: give at least one work dir')
    if names is not None and len(names) != len(runs):
        raise ValueError(f'{len(runs)} runs need as many names, got {list(names)}')
    for folder in evaluations:
        if not Path(folder).is_dir():
            raise FileNotFoundError(f"there is no folder '{folder}' of an evaluation")
    records = [
        read_run_record(run, names[i] if names else '') for i, run in enumerate(runs)
    ]
    records = _told_apart(records)
    places = [*(record.folder for record in records), *map(Path, evaluations)]
    places = list(dict.fromkeys(place.resolve() for place in places))
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=_Strict
    )
    template = environment.from_string(
        files(__package__).joinpath('page.html').read_text(encoding='utf-8')
    )
    page = template.render(
        title=', '.join(record.name for record in records),
        version=__version__,
        records=records,
        numbers=_numbers(records),
        charts=_charts(records),
        runs=[_run_context(record) for record in records],
        differences=_differences(records),
        evaluations=_evaluations(places),
    )
    path = Path(out)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, page)
    return path


class _Strict(jinja2.StrictUndefined):
    """A name that the template has and the page has not is an error."""


def _told_apart(records: list[RunRecord]) -> list[RunRecord]:
    """Number runs that have one name."""
    names = [record.name for record in records]
    if len(set(names)) == len(names):
        return records
    return [
        RunRecord(**{**vars(record), 'name': f'{record.name} ({i})'})
        for i, record in enumerate(records, 1)
    ]


def _numbers(records: Sequence[RunRecord]) -> list[tuple[str, list[str]]]:
    """Rows of the table at the top: a label and a number for each run."""
    last = [
        max(step for curve in record.scalars.values() for step, _ in curve)
        for record in records
    ]
    rows = [('Last logged iteration', [str(step) for step in last])]
    if any(record.starts > 1 for record in records):
        rows.append(('Starts', [str(record.starts) for record in records]))
    for label, name, kind in NUMBERS:
        curves = [record.scalars.get(name, []) for record in records]
        if any(curves):
            rows.append((label, [_number([y for _, y in c], kind) for c in curves]))
    return rows


def _number(values: Sequence[float], kind: str) -> str:
    """One number for a curve; a dash where there is none."""
    kept = sorted(value for value in values if math.isfinite(value))
    if kind == 'last':
        kept = list(values[-ENDS:])
        value = sum(kept) / max(1, len(kept))
    elif kind == 'median':
        value = statistics.median(kept) if kept else 0.0
    else:
        value = kept[-1] if kept else 0.0
    return f'{value:.4g}' if kept else NOTHING


def _charts(records: Sequence[RunRecord]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Groups of charts: a curve for each run, or the losses of one run together."""
    known = {name for record in records for name in record.scalars}
    grouped = {name for names in GROUPS.values() for name in names}
    rest = sorted(known - grouped - set(HIDDEN))
    groups = []
    for title, names in {**GROUPS, 'Other scalars': tuple(rest)}.items():
        charts = []
        together = [n for n in LOSSES if n in known and n not in SMALL]
        if title == 'Losses' and len(records) == 1 and len(together) > 1:
            curves = {TITLES[n]: records[0].scalars[n] for n in together}
            charts.append(_chart('Losses', curves, True, title))
            names = SMALL
        for name in names:
            if name in known:
                curves = {r.name: r.scalars.get(name, []) for r in records}
                label = TITLES.get(name, name.replace('_', ' '))
                charts.append(_chart(label, curves, name in FROM_ZERO, title))
        charts = [chart for chart in charts if chart['svg']]
        if charts:
            groups.append((title, charts))
    return groups


def _chart(
    title: str,
    curves: Mapping[str, Sequence[tuple[int, float]]],
    from_zero: bool,
    group: str,
) -> dict[str, Any]:
    """What the template needs of a chart."""
    legend = [
        (i % 7, name, f'{curve[-1][1]:.4g}' if curve else 'not logged')
        for i, (name, curve) in enumerate(curves.items())
    ]
    smoothing = 0.0 if group == 'Schedules' else SMOOTHING
    svg = line_chart(curves, f'{title} over the iterations', from_zero, smoothing)
    return {'title': title, 'legend': legend, 'svg': Markup(svg)}


def _run_context(record: RunRecord) -> dict[str, Any]:
    """What the template needs of a run."""
    steps = list(record.reconstructions)
    chosen = _spread(steps, MOST_PICTURES)
    return {
        'name': record.name,
        'facts': _facts(record.config, FACTS),
        'data': _facts(record.config, DATA_FACTS),
        'data_lines': record.data,
        'environment': record.environment,
        'config': record.config_text,
        'reconstructions': [
            (step, embed(record.reconstructions[step])) for step in chosen
        ],
        'left_out': len(steps) - len(chosen),
        'pictures': [(path.stem, embed(path)) for path in record.pictures],
    }


def _facts(config: Mapping[str, Any], wanted: Mapping[str, str]) -> dict[str, str]:
    """Some values of a config, as people read them."""
    found = {}
    for label, path in wanted.items():
        node: Any = config
        for part in path.split('.'):
            node = node.get(part) if isinstance(node, Mapping) else None
        if node is not None:
            found[label] = _plain(node)
    return found


def _plain(value: Any) -> str:
    """A value without the quotes and brackets of Python."""
    if isinstance(value, Mapping):
        rest = ', '.join(
            f'{key} [{_plain(v)}]'
            if isinstance(v, list | tuple)
            else f'{key} {_plain(v)}'
            for key, v in value.items()
            if key != 'type'
        )
        kind = str(value.get('type', ''))
        return f'{kind} ({rest})' if kind and rest else kind or rest
    if isinstance(value, list | tuple):
        return ', '.join(map(_plain, value)) or 'none'
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    return str(value)


def _differences(records: Sequence[RunRecord]) -> list[tuple[str, list[str]]]:
    """Keys in which the configs differ, and their values."""
    if len(records) < 2:
        return []
    flat = [flatten_config(record.config) for record in records]
    keys = sorted({key for each in flat for key in each})
    rows = [(key, [each.get(key, NOTHING) for each in flat]) for key in keys]
    return [
        (key, values)
        for key, values in rows
        if len(set(values)) > 1 and key.split('.')[0] not in NOT_COMPARED
    ]


def _evaluations(places: Sequence[Path]) -> list[dict[str, Any]]:
    """Scores and pictures of each folder that has some; each file counts once."""
    found = []
    for place in places:
        results: list[Evaluation] = read_evaluations(place, places)
        sheets, clips = overlays(place, places)
        embedded = [(path.stem, embed(path)) for path in clips[:MOST_CLIPS]]
        moving = [(name, clip) for name, clip in embedded if clip.data or clip.problem]
        if results or sheets or moving:
            found.append(
                {
                    'name': place.name,
                    'results': [
                        (each.name, [(k, f'{v:.4g}') for k, v in each.scores.items()])
                        for each in results
                    ],
                    'sheets': [embed(path) for path in sheets],
                    'clips': moving,
                    'left_out': len(clips) - len(moving),
                }
            )
    return found


def _spread(items: Sequence[int], most: int) -> list[int]:
    """At most so many of the items, evenly, with the first and the last."""
    if len(items) <= most:
        return list(items)
    return [items[round(k * (len(items) - 1) / (most - 1))] for k in range(most)]
