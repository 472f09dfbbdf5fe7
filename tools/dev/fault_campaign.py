#!/usr/bin/env python
"""Kill trainings at random moments, resume them, and compare how they end.

A small VideoMAC trains on random frames, with everything that a stop could lose:
BatchNorm, AdamW, gradient accumulation and clipping, schedules, masks, augmentations, a
worker, and checkpoints in the middle of epochs. One run is left alone. The others are
killed with SIGKILL again and again: at a random time, or at a random step of writing a
checkpoint; and sometimes their newest checkpoint is then cut in half. All have to end
with the weights, target, optimiser, schedules and losses of the first, bit for bit.
"""

import argparse
import contextlib
import dataclasses
import io
import os
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

from tools.dev.killable import (
    INTERVAL,
    ITERATIONS,
    PROGRESS,
    STEPS,
    start,
    wait,
    write_config,
    write_frames,
)
from videomac.engine.checkpoint_files import (
    POINTER,
    find_damage,
    newest_intact,
)

#: Logged numbers of the training; the others tell the time or the memory.
LOGGED = ('loss', 'lr', 'grad_norm', 'target_momentum')


@dataclasses.dataclass
class Row:
    """A line of the table: one process of a run."""

    run: int
    end: str
    iteration: int
    start: str
    equal: str = ''

    def __str__(self) -> str:
        return (
            f'{self.run:>4}  {self.end:<32} {self.iteration:>9}  {self.start:<18} '
            f'{self.equal}'
        )


HEADER = f' run  {"killed":<32} {"iteration":>9}  {"started from":<18} equal'


def cut_newest(work_dir: Path) -> bool:
    """Cut the newest checkpoint in half if there is another one."""
    newest = newest_intact(work_dir)
    others = [p for p in work_dir.glob('*.pth') if str(p) != newest]
    if newest is None or not any(find_damage(path) is None for path in others):
        return False
    os.truncate(newest, Path(newest).stat().st_size // 2)
    return True


def quiet_newest(work_dir: Path) -> str:
    """Name what a resumed run starts from, without the report on damaged files."""
    with contextlib.redirect_stdout(io.StringIO()):
        newest = newest_intact(work_dir)
    return Path(newest).name if newest else 'nothing'


def disturbed_run(
    number: int, config: Path, work_dir: Path, seconds: float, kills: int, seed: int
) -> list[Row]:
    """Run one training to its end through kills.

    Args:
        number: Number of the run.
        config: The config.
        work_dir: An empty folder.
        seconds: What an undisturbed run takes.
        kills: Most kills of this run, at least 1.
        seed: Seed of the kills.

    Returns:
        A row for each process; the last one ended by itself.
    """
    draw = random.Random(seed)
    rows: list[Row] = []
    wanted = draw.randint(1, kills)
    while True:
        killed = len(rows) < wanted
        step = draw.choice(STEPS) if killed and draw.random() < 0.5 else None
        file = draw.randint(1, 2 * ITERATIONS // INTERVAL)
        # Most of the time is spent before the first iteration: aim past it as well.
        iterations = draw.choice([0, draw.randint(1, ITERATIONS - 1)])
        longest = seconds / ITERATIONS if iterations else seconds
        moment = draw.uniform(0, longest) if killed and step is None else None
        before = quiet_newest(work_dir)
        child = start(config, work_dir, step, file)
        ended, taken = wait(child, moment, iterations)
        end = f'while saving, {step}' if step else f'after {taken:.2f} s'
        begin = f'{before} ({PROGRESS[1]})'
        if ended and not rows:  # outran its kill; begin again
            for path in work_dir.glob('*.pth'):
                path.unlink()
            (work_dir / POINTER).unlink(missing_ok=True)
            continue
        rows.append(Row(number, '-' if ended else end, PROGRESS[0], begin))
        if ended:
            return rows
        if draw.random() < 0.2 and cut_newest(work_dir):
            rows[-1].end += ' + cut'


def differences(one: Any, other: Any, where: str = '') -> list[str]:
    """Compare nested data bit for bit.

    Returns:
        Names of what differs.
    """
    if isinstance(one, dict) and isinstance(other, dict):
        names = [f'{where}.{key}' for key in one.keys() ^ other.keys()]
        for key in one.keys() & other.keys():
            names += differences(one[key], other[key], f'{where}.{key}')
        return names
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        if len(one) != len(other):
            return [where]
        pairs = zip(one, other, strict=True)
        return [n for i, p in enumerate(pairs) for n in differences(*p, f'{where}[{i}]')]
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        same = one.dtype == other.dtype and one.shape == other.shape
        same = same and one.numpy().tobytes() == other.numpy().tobytes()
        return [] if same else [where]
    return [] if one == other else [where]


def outcome(work_dir: Path) -> dict[str, Any]:
    """Read how a run ended: networks, optimiser, schedules and logged numbers.

    Raises:
        RuntimeError: Its last checkpoint is not that of its last iteration.
    """
    path = newest_intact(work_dir)
    if path is None or Path(path).name != f'iter_{ITERATIONS}.pth':
        raise RuntimeError(f"'{work_dir}' ended with the checkpoint {path}")
    saved = torch.load(path, weights_only=True)
    kept = {name: saved[name] for name in ('state_dict', 'optimizer', 'param_schedulers')}
    logs = saved['message_hub']['log_scalars']
    numbers = {name: log for name, log in logs.items() if any(x in name for x in LOGGED)}
    return kept | dict(iteration=saved['meta']['iter'], logs=numbers)


def campaign(runs: int, kills: int, seed: int, folder: Path) -> list[Row]:
    """Run everything, printing the table as it grows.

    Args:
        runs: Number of runs that are killed.
        kills: Most kills of a run.
        seed: Seed of the kills; the times of a machine vary all the same.
        folder: Where everything goes; empty.

    Returns:
        The rows of the table.

    Raises:
        RuntimeError: A run failed.
    """
    write_frames(folder / 'frames')
    config = folder / 'tiny.py'
    write_config(config, folder / 'frames')
    whole = folder / 'uninterrupted'
    ended, seconds = wait(start(config, whole, None, 0), None)
    if not ended:
        raise RuntimeError('somebody else killed the uninterrupted run')
    expected = outcome(whole)
    print(f'An uninterrupted run takes {seconds:.1f} s.\n\n{HEADER}', flush=True)
    rows: list[Row] = []
    for number in range(1, runs + 1):
        work_dir = folder / f'run{number}'
        new = disturbed_run(
            number, config, work_dir, seconds, kills, seed * 1_000_000 + number
        )
        found = differences(outcome(work_dir), expected)
        new[-1].equal = 'yes' if not found else f'NO: {len(found)}, {found[0]}'
        print(*new, sep='\n', flush=True)
        rows += new
    return rows


def summary(rows: Sequence[Row]) -> str:
    """Sum up a table in a sentence."""
    last = [row for row in rows if row.equal]
    killed = [row for row in rows if not row.equal]
    saving = sum('saving' in row.end for row in killed)
    cut = sum('cut' in row.end for row in killed)
    equal = sum(row.equal == 'yes' for row in last)
    return (
        f'{len(last)} runs, {len(killed)} kills ({saving} while saving, {cut} with the '
        f'newest checkpoint cut in half): {equal} of {len(last)} ended equal, bit for bit'
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line, run, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--runs', type=int, default=50, help='runs that are killed [50]')
    parser.add_argument('--kills', type=int, default=3, help='most kills of a run [3]')
    parser.add_argument('--seed', type=int, default=0, help='seed of the kills [0]')
    parser.add_argument('--work-dir', help='folder that keeps everything [a temporary]')
    args = parser.parse_args(argv)
    if args.runs < 1 or args.kills < 1:
        parser.error('--runs and --kills must be at least 1')
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(args.work_dir or temporary)
        if any(folder.glob('*')):
            parser.error(f"--work-dir: '{folder}' is not empty")
        rows = campaign(args.runs, args.kills, args.seed, folder)
    print(f'\n{summary(rows)}')
    if any(row.equal.startswith('NO') for row in rows):
        raise SystemExit(1)


if __name__ == '__main__':
    main()
