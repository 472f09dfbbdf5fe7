#!/usr/bin/env python
"""Measure a row of the mini-benchmark: train, propagate, score, note it down.

What is done is not done again: the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmengine.config import Config

from benchmarks.mini.options import add_shared_options
from benchmarks.mini.plans import read_plan, write_plan
from benchmarks.mini.records import append_record, circumstances, read_records
from benchmarks.mini.rows import ROWS, Row, find_row, fingerprint, read_config
from benchmarks.mini.scoring import propagation_config, score
from benchmarks.mini.training import (
    elapsed_seconds,
    frames_of,
    seconds_a_step,
    step_cost,
    train,
)

LEAST = 20  # steps that a budget must allow


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    names = ', '.join(row.name for row in ROWS)
    add('row', help=f'one of: {names}')
    add('--seeds', type=int, nargs='+', default=[0, 1, 2], metavar='N')
    length = parser.add_mutually_exclusive_group()
    length.add_argument('--steps', type=int, help="of each training [the config's]")
    length.add_argument(
        '--budget-minutes',
        type=float,
        metavar='M',
        help='as many steps as this machine does in that time, by a short trial; '
        'rows with the same budget are compared at equal wall time',
    )
    add(
        '--points',
        type=int,
        default=1,
        help='score this many checkpoints, evenly spaced, for curves [%(default)s]',
    )
    add_shared_options(parser, 'ytvos/train and davis2017', 'work_dirs/mini')
    return parser


def check(args: argparse.Namespace) -> tuple[Row, Path, Path]:
    """Check the command line before anything is trained.

    Returns:
        The row, and the folders of the training and the test videos.

    Raises:
        ValueError: Something is wrong with it.
    """
    row = find_row(args.row)
    if args.points < 1:
        raise ValueError(f'--points must be at least 1, got {args.points}')
    if args.steps is not None and args.steps < max(2, args.points):
        raise ValueError(
            f'--steps {args.steps} is too few for {args.points} points and a warm-up'
        )
    if args.budget_minutes is not None and not args.budget_minutes > 0:
        raise ValueError(f'--budget-minutes must be positive, got {args.budget_minutes}')
    folders = (Path(args.data, 'ytvos', 'train'), Path(args.data, 'davis2017'))
    for folder in folders[0 if row.trained else 1 :]:
        if not folder.is_dir():
            raise ValueError(
                f"there is no folder '{folder}': --data FOLDER (or VIDEOMAC_DATA) names "
                'the folder of ytvos/train and davis2017'
            )
    return row, *folders


def make_plan(
    args: argparse.Namespace, row: Row, cfg: Config, folder: Path
) -> dict[str, Any]:
    """Decide how many steps a row is trained for, once for all its seeds.

    Raises:
        ValueError: It was decided otherwise before, or the budget is too small.
    """
    asked = dict(
        config=fingerprint(cfg),
        asked_steps=args.steps,
        budget_minutes=args.budget_minutes,
        score_options=json.loads(json.dumps(args.score_options, default=str)),
    )
    plan = read_plan(folder, asked)
    if plan is not None:
        return plan
    steps = args.steps or cfg.train_cfg.max_iters
    seconds = None
    if args.budget_minutes is not None and row.trained:
        seconds = seconds_a_step(cfg, folder / 'trial')
        steps = int(60 * args.budget_minutes / seconds)
        if steps < LEAST:
            raise ValueError(
                f'--budget-minutes {args.budget_minutes:g} is enough for {steps} steps '
                f'of {seconds:.2f} s, and {LEAST} are needed'
            )
    plan = {**asked, 'steps': steps, 'trial_seconds_a_step': seconds}
    write_plan(folder, plan)
    return plan


class Measurement:
    """One row with one seed.

    Args:
        row: The row.
        seed: The seed.
        cfg: Config of its training.
        scoring: Config of its scoring.
        folder: Of all its files.
        points: How many checkpoints are scored.
    """

    def __init__(
        self,
        row: Row,
        seed: int,
        cfg: Config,
        scoring: Config,
        folder: Path,
        points: int,
    ) -> None:
        self.row, self.seed, self.cfg, self.scoring = row, seed, cfg, scoring
        self.folder = folder
        steps = int(cfg.train_cfg.max_iters) if row.trained else 0
        interval = -(-steps // points)
        self.points = points
        #: Steps at which checkpoints are scored, the end included.
        self.steps = sorted({*range(interval, steps, interval or 1), steps})

    def key(self, step: int) -> tuple[str, int, int]:
        """What a record is found by."""
        return self.row.name, self.seed, step

    def missing(self, done: set[tuple[str, int, int]]) -> list[int]:
        """Steps that are not scored yet."""
        return [step for step in self.steps if self.key(step) not in done]

    def checkpoint(self, step: int) -> Path:
        """Where a training leaves a checkpoint."""
        return self.folder / f'iter_{step}.pth'

    def check(self, done: set[tuple[str, int, int]]) -> None:
        """Check that what is to be scored is there, or will be.

        Raises:
            ValueError: The training is over and has not kept a checkpoint.
        """
        if not self.row.trained or not self.checkpoint(self.steps[-1]).exists():
            return
        gone = [step for step in self.missing(done) if not self.checkpoint(step).exists()]
        if gone:
            raise ValueError(
                f"'{self.folder}' has no checkpoint of step {gone[0]}: the training was "
                'done with other --points. Give those, or name another folder with '
                '--work-dir'
            )

    def run(self, done: set[tuple[str, int, int]], results: Path) -> None:
        """Train and score what is not done."""
        if self.row.trained and not self.checkpoint(self.steps[-1]).exists():
            train(self.cfg, self.folder, self.points)
        for step in self.missing(done):
            record = self.measure(step)
            append_record(results, record)
            print(
                f'{self.row.name}, seed {self.seed}, step {step}: J&F '
                f'{100 * record["J&F"]:.1f}',
                flush=True,
            )

    def measure(self, step: int) -> dict[str, Any]:
        """Score a checkpoint and describe how it was made."""
        checkpoint = self.checkpoint(step) if self.row.trained else None
        found = score(self.scoring, checkpoint, self.folder / f'scores_{step}')
        frames = step * self.cfg.train_dataloader.batch_size * frames_of(self.cfg)
        cost = step_cost(self.cfg)
        samples = step * self.cfg.train_dataloader.batch_size
        seconds = 0.0
        if self.row.trained:
            elapsed = elapsed_seconds(self.folder)
            seconds = elapsed[min(elapsed, key=lambda logged: abs(logged - step))]
        return {
            'row': self.row.name,
            'seed': self.seed,
            'step': step,
            'steps': self.steps[-1],
            'encoder': self.row.encoder,
            **found,
            'seconds': round(seconds, 1),
            'images': frames,
            'parameters': cost['parameters'],
            'multiply_adds': samples * cost['multiply_adds'],
            'config': fingerprint(self.cfg),
            **circumstances(),
        }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    args = build_parser().parse_args(argv)
    try:
        row, train_root, test_root = check(args)
        work_dir = Path(args.work_dir)
        results, folder = work_dir / 'results.jsonl', work_dir / row.name
        records = read_records(results)
        first = read_config(row, train_root, 0, args.steps, args.cfg_options)
        plan = make_plan(args, row, first, folder)
        done = {(r['row'], r['seed'], r['step']) for r in records}
        todo = []
        for seed in dict.fromkeys(args.seeds):
            cfg = read_config(row, train_root, seed, plan['steps'], args.cfg_options)
            scoring = propagation_config(cfg, test_root, seed, args.score_options)
            one = Measurement(
                row, seed, cfg, scoring, folder / f'seed{seed}', args.points
            )
            one.check(done)
            if one.missing(done):
                todo.append(one)
            else:
                print(f'{row.name}, seed {seed}: done before')
    except (OSError, ValueError) as error:
        print(f'run.py: {error}', file=sys.stderr)
        return 1
    start = time.perf_counter()
    for i, one in enumerate(todo, start=1):
        one.run(done, results)
        left = (time.perf_counter() - start) / i * (len(todo) - i)
        print(f'{i} of {len(todo)} seeds; about {left / 60:.0f} minutes left', flush=True)
    print(f"The results are in '{results}'; table.py lays them out")
    return 0


if __name__ == '__main__':
    sys.exit(main())
