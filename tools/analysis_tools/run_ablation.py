#!/usr/bin/env python
"""Run a table of the paper: train and evaluate each row, and set it beside the paper's.

A row that is done is not run again, also not for another table with the same config; one
that was stopped goes on. Exit status: 0 if all rows are done, 75 if a row was asked to
stop and has saved, 1 if rows failed.
"""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from mmengine.config import Config

from videomac import __version__
from videomac.analysis.ablation_table import MEASURED, write_ablation
from videomac.analysis.evaluation_config import evaluation_config
from videomac.analysis.paper import PaperRow, PaperTable, paper_tables
from videomac.engine.checkpoint_files import pointed_at
from videomac.evaluation.tables import write_json
from videomac.utils import CfgOptions, configs_root, merge_options, tools_root
from videomac.utils.config_difference import config_difference, flatten_config

TABLES = {name: table for name, table in paper_tables().items() if table.is_ablation}
STOPPED = 75  # exit status of train.py that was asked to stop and can be resumed
SCRIPT = 'run_ablation.py'


class RowError(Exception):
    """A row that cannot be run; the message says why."""


@dataclass(frozen=True)
class Run:
    """A row to be run.

    Attributes:
        row: The row of the paper's table.
        folder: Where all that belongs to the row lies.
        pretraining: Its training config, with the command line's changes.
        evaluation: Its evaluation config, for the encoder of that one.
        changes: What the command line changed in the two.
    """

    row: PaperRow
    folder: Path
    pretraining: Config
    evaluation: Config
    changes: tuple[str, ...]

    @property
    def state(self) -> dict[str, Any]:
        """What is known of the row: ``checkpoint``, ``metrics`` and so on."""
        path = self.folder / 'row.json'
        if not path.is_file():
            return {}
        found: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
        return found

    def note(self, **news: Any) -> None:
        """Keep what is newly known."""
        write_json(self.folder / 'row.json', {**self.state, **news})


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('table', choices=TABLES, help='; '.join(map(headline, TABLES.values())))
    add('--rows', nargs='+', metavar='ROW', help='run these only, by their names')
    add('--work-dir', default='work_dirs/ablations', help='folder [%(default)s]')
    add('--gpus', type=int, default=0, help='processes on GPUs of this machine [none]')
    add('--dry-run', action='store_true', help='print the commands, run nothing')
    changes = 'KEY=VALUE'
    add(
        '--cfg-options',
        nargs='+',
        action=CfgOptions,
        metavar=changes,
        help='change the training of all rows: model.encoder.arch=atto',
    )
    add(
        '--eval-options',
        nargs='+',
        action=CfgOptions,
        metavar=changes,
        help='change the evaluation of all rows: test_dataloader.dataset.videos=camel',
    )
    return parser


def headline(table: PaperTable) -> str:
    """Name a table for people."""
    return f'{table.name}: {table.title} (Table {table.number})'


def prepare(row: PaperRow, args: argparse.Namespace) -> Run:
    """Make the configs of a row."""
    assert row.config is not None
    pretraining = Config.fromfile(configs_root() / row.config)
    merge_options(pretraining, args.cfg_options)
    evaluation = Config.fromfile(configs_root() / evaluation_config(row.config))
    # The encoder as it was trained, which the options may have changed.
    evaluation.model.backbone.network = pretraining.model.encoder
    merge_options(evaluation, args.eval_options)
    folder = Path(args.work_dir) / Path(row.config).stem
    changes = {**(args.cfg_options or {}), **(args.eval_options or {})}
    texts = tuple(f'{key}={value}' for key, value in changes.items())
    return Run(row, folder, pretraining, evaluation, texts)


def choose(table: PaperTable, names: Sequence[str] | None) -> list[PaperRow]:
    """The rows that the toolbox can run, or those of these names."""
    rows = {row.about[0]: row for row in table.rows if row.config is not None}
    unknown = [name for name in names or () if name not in rows]
    if unknown:
        raise SystemExit(
            f'{SCRIPT}: --rows: the table {table.name} has no row {unknown[0]!r}; its '
            f'rows are {", ".join(map(repr, rows))}'
        )
    return [row for name, row in rows.items() if names is None or name in names]


def keep_config(path: Path, config: Config) -> None:
    """Write a config, or check that it is the one that was written before.

    Raises:
        RowError: The row was begun with other settings.
    """
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f'partial_{path.name}')
        config.dump(partial)
        os.replace(partial, path)
        return
    old, new = (
        flatten_config(each.to_dict()) for each in (Config.fromfile(path), config)
    )
    changed = config_difference(old, new)
    if changed:
        raise RowError(
            f"'{path.parent}' was made with other settings ({'; '.join(changed[:3])}). "
            'Give the same --cfg-options and --eval-options, or another --work-dir, or '
            'remove that folder'
        )


def commands(run: Run, gpus: int) -> tuple[list[str], list[str]]:
    """The commands that train and evaluate a row; the second lacks its checkpoint."""
    tools = tools_root()
    folders = [str(run.folder / name) for name in ('pretraining', 'davis2017')]
    configs = [f'{folder}.py' for folder in folders]
    work = [['--work-dir', folder] for folder in folders]
    checkpoint = run.state.get('checkpoint', 'CHECKPOINT')
    if gpus:
        train = ['bash', str(tools / 'dist_train.sh'), configs[0], str(gpus)]
        test = ['bash', str(tools / 'dist_test.sh'), configs[1], checkpoint, str(gpus)]
    else:
        train = [sys.executable, str(tools / 'train.py'), configs[0]]
        test = [sys.executable, str(tools / 'test.py'), configs[1], checkpoint]
    return [*train, *work[0], '--resume'], [*test, *work[1]]


def execute(command: Sequence[str], log: Path) -> None:
    """Run a command with its output in a file; what asks us to stop asks the command.

    Raises:
        RowError: It failed; names the log.
        SystemExit: It was asked to stop.
    """
    asked: list[int] = []
    started: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, frame: Any) -> None:
        asked.append(number)
        for process in started:
            process.send_signal(number)

    before = signal.signal(signal.SIGTERM, pass_on)
    try:
        with log.open('a', encoding='utf-8') as file:
            environment = {**os.environ, 'PYTHON': sys.executable}
            process = subprocess.Popen(
                command, stdout=file, stderr=subprocess.STDOUT, env=environment
            )
        started.append(process)
        if asked:  # before there was anything to pass it on to
            process.send_signal(asked[-1])
        status = process.wait()
    except KeyboardInterrupt:  # which the command has got too
        for process in started:
            process.wait()
        raise SystemExit(130) from None
    finally:
        signal.signal(signal.SIGTERM, before)
    if asked or status == STOPPED:
        print(f'{SCRIPT}: stopped; the same command goes on', file=sys.stderr)
        raise SystemExit(STOPPED)
    if status:
        raise RowError(f"exit status {status}; see the end of '{log}'")


def run_row(run: Run, gpus: int) -> None:
    """Train and evaluate a row, as far as that is not done.

    Raises:
        RowError: A command failed, or the row was begun with other settings.
    """
    keep_config(run.folder / 'pretraining.py', run.pretraining)
    keep_config(run.folder / 'davis2017.py', run.evaluation)
    if 'checkpoint' not in run.state:
        execute(commands(run, gpus)[0], run.folder / 'pretraining.log')
        last = pointed_at(run.folder / 'pretraining')
        if not last:
            raise RowError(f"the training has left no checkpoint in '{run.folder}'")
        run.note(checkpoint=last)
    if 'metrics' not in run.state:
        execute(commands(run, gpus)[1], run.folder / 'davis2017.log')
        scores = json.loads((run.folder / 'davis2017' / 'davis.json').read_text())
        means = {name: scores['global'][key] for name, key in MEASURED.items()}
        run.note(  # what is no number was not measured
            metrics={k: 100 * mean for k, mean in means.items() if mean is not None},
            videos=len({name.rpartition('_')[0] for name in scores['per_object']}),
            date=time.strftime('%Y-%m-%d'),
            version=revision(),
            changes=list(run.changes),
        )


def revision() -> str:
    """The commit of a checkout, or else the version."""
    done = subprocess.run(
        ['git', '-C', str(configs_root().parent), 'rev-parse', '--short', 'HEAD'],
        capture_output=True,
        text=True,
    )
    return done.stdout.strip() if done.returncode == 0 else f'version {__version__}'


def span(seconds: float) -> str:
    """A time as hours, minutes and seconds."""
    return str(timedelta(seconds=round(seconds)))


def run_all(runs: Sequence[Run], gpus: int) -> list[str]:
    """Run the rows that are left, with progress; names of those that failed."""
    failed = []
    left = [run for run in runs if 'metrics' not in run.state]
    print(f'{len(runs) - len(left)} of {len(runs)} rows are done, {len(left)} are left')
    start = time.monotonic()
    for index, run in enumerate(runs):
        done = 'metrics' in run.state
        try:
            run_row(run, gpus)  # of a row that is done, its settings are checked
        except RowError as error:
            failed.append(run.row.about[0])
            print(f'{SCRIPT}: row {run.row.about[0]!r}: {error}', file=sys.stderr)
        if done:
            continue
        after = sum(each in left for each in runs[index + 1 :])
        elapsed = time.monotonic() - start
        rest = elapsed / (len(left) - after) * after
        print(
            f'row {run.row.about[0]!r} ({index + 1} of {len(runs)}): {span(elapsed)} '
            f'so far, about {span(rest)} to go',
            flush=True,
        )
    return failed


def main(argv: Sequence[str] | None = None) -> int:
    """Run a table."""
    args = build_parser().parse_args(argv)
    table = TABLES[args.table]
    chosen = choose(table, args.rows)
    if args.dry_run:
        for run in (prepare(row, args) for row in chosen):
            state = 'done' if 'metrics' in run.state else run.row.config
            print(f'# {table.about[0]} {run.row.about[0]}: {state}')
            for command in commands(run, args.gpus):
                print(shlex.join(command))
        return 0
    failed = run_all([prepare(row, args) for row in chosen], args.gpus)
    known = {str(row.config): prepare(row, args).state for row in choose(table, None)}
    print('\n' + write_ablation(Path(args.work_dir), table, known))
    return 1 if failed else 0


if __name__ == '__main__':
    raise SystemExit(main())
