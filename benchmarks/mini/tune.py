#!/usr/bin/env python
"""Search hyper-parameters on a validation split of the training videos.

The split is that of split.py; the test videos are not read. A trial is trained once, and
scored with the features of every stage that is asked about. What is done is not done
again; the search is written down in search.json and search.md.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmengine.config import Config

from benchmarks.mini.options import add_shared_options
from benchmarks.mini.plans import read_plan, write_plan
from benchmarks.mini.records import append_record, circumstances, read_records
from benchmarks.mini.rows import Row, find_row, fingerprint, read_config
from benchmarks.mini.scoring import propagation_config, score
from benchmarks.mini.split import link_split, split_videos
from benchmarks.mini.training import elapsed_seconds, train
from videomac.utils import markdown_table

#: What is searched, and what its values are by default.
SPACE: dict[str, list[Any]] = {
    'lr': [5e-4, 1.5e-3, 3e-3],
    'batch': [16, 32],
    'warmup': [0.05, 0.1, 0.2],
}
SIDE = 256  # short side of the validation frames, in pixels: their own


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('row', nargs='?', default='videomac', help='[%(default)s]')
    add('--trials', type=int, metavar='N', help='draw N of the grid [all of it]')
    add('--search-seed', type=int, default=0, help='of that draw [%(default)s]')
    add('--seeds', type=int, nargs='+', default=[0], help='of each trial [0]')
    add('--steps', type=int, default=400, help='of each trial [%(default)s]')
    for name, values in SPACE.items():
        kind = type(values[0])
        add(f'--{name}', type=kind, nargs='+', default=values, help=f'[{values}]')
    add(
        '--stages',
        type=stages,
        nargs='+',
        default=[(1,), (2,), (3,), (1, 2, 3)],
        metavar='N[,N]',
        help='whose features are scored; of several together they are concatenated '
        '[1 2 3 1,2,3]',
    )
    add(
        '--norms',
        choices=['yes', 'no'],
        nargs='+',
        default=['yes', 'no'],
        help='final norm of the last stage, the only one that has one [yes no]',
    )
    add_shared_options(parser, 'ytvos/train', 'work_dirs/mini-tune')
    return parser


def stages(text: str) -> tuple[int, ...]:
    """Read the stages whose features are concatenated."""
    try:
        return tuple(int(part) for part in text.split(','))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text}' is no stage and no list of stages such as 1,2,3"
        ) from None


def shown(chosen: Sequence[int]) -> str:
    """Stages as the command line has them."""
    return ','.join(map(str, chosen))


def draw_trials(args: argparse.Namespace) -> list[dict[str, Any]]:
    """List the trials: the grid, or some of it at random without repetition.

    Raises:
        ValueError: More trials are asked for than the grid has, or a value is of no use.
    """
    values = {name: list(dict.fromkeys(getattr(args, name))) for name in SPACE}
    if min(values['lr']) <= 0 or min(values['batch']) < 1:
        raise ValueError('--lr and --batch must be positive')
    if not 0 < min(values['warmup']) <= max(values['warmup']) < 1:
        raise ValueError('--warmup is a share of the steps, between 0 and 1')
    grid = [
        dict(zip(values, each, strict=True))
        for each in itertools.product(*values.values())
    ]
    if args.trials is None:
        return grid
    if not 0 < args.trials <= len(grid):
        raise ValueError(f'--trials {args.trials}: the grid has {len(grid)} points')
    return random.Random(args.search_seed).sample(grid, args.trials)


def name_of(trial: Mapping[str, Any]) -> str:
    """Name of a trial, for folders and tables."""
    return '_'.join(f'{key}{value:g}' for key, value in trial.items())


def readings(args: argparse.Namespace, last: int) -> list[tuple[tuple[int, ...], bool]]:
    """List the stages to take features from, each with and maybe without the last norm.

    Raises:
        ValueError: There is no such stage.
    """
    chosen: list[tuple[int, ...]] = list(dict.fromkeys(args.stages))
    wrong = [shown(each) for each in chosen if not all(0 <= n <= last for n in each)]
    if wrong:
        raise ValueError(
            f'--stages {" ".join(wrong)}: the encoder has stages 0 to {last}'
        )
    pairs = []
    for each in chosen:
        norms = [norm == 'yes' for norm in args.norms] if last in each else [True]
        pairs += [(each, norm) for norm in norms]
    return pairs


def trial_config(
    args: argparse.Namespace, row: Row, root: Path, trial: Mapping[str, Any], seed: int
) -> Config:
    """Make the config of a trial."""
    options = {
        'optim_wrapper.optimizer.lr': trial['lr'],
        'train_dataloader.batch_size': trial['batch'],
        **(args.cfg_options or {}),
    }
    return read_config(row, root, seed, args.steps, options, trial['warmup'])


def keep_plan(args: argparse.Namespace, row: Row, root: Path, folder: Path) -> None:
    """Hold a folder to what all trials of a search have in common.

    Raises:
        ValueError: There is another search in it.
    """
    asked = dict(
        row=row.name,
        steps=args.steps,
        config=fingerprint(read_config(row, root, 0, args.steps, args.cfg_options)),
        score_options=json.loads(json.dumps(args.score_options, default=str)),
    )
    if read_plan(folder, asked) is None:
        write_plan(folder, asked)


def run_trial(
    args: argparse.Namespace,
    cfg: Config,
    val_root: Path,
    trial: Mapping[str, Any],
    results: Path,
) -> None:
    """Train a trial and score the readings that are not there yet."""
    folder = results.parent / name_of(trial) / f'seed{cfg.seed}'
    checkpoint = folder / f'iter_{args.steps}.pth'
    done = {(record['row'], record['seed']) for record in read_records(results)}
    for chosen, norm in readings(args, args.last_stage):
        stage = shown(chosen)
        name = f'{name_of(trial)}_stage{stage}{"" if norm else "_no-norm"}'
        if (name, cfg.seed) in done:
            continue
        if not checkpoint.exists():
            train(cfg, folder)
        options = {
            'model.backbone.out_stage': list(chosen) if len(chosen) > 1 else chosen[0],
            'model.backbone.final_norm': norm,
            'test_dataloader.dataset.size': SIDE,
            **(args.score_options or {}),
        }
        scoring = propagation_config(cfg, val_root, cfg.seed, options)
        found = score(scoring, checkpoint, folder / f'stage{stage}_norm{norm:d}')
        record = {
            'row': name,
            'seed': cfg.seed,
            'step': args.steps,
            **trial,
            'stage': stage,
            'final_norm': norm,
            **found,
            'seconds': round(list(elapsed_seconds(folder).values())[-1], 1),
            'config': fingerprint(cfg),
            **circumstances(),
        }
        append_record(results, record)
        print(f'{name}, seed {cfg.seed}: J&F {100 * found["J&F"]:.1f}', flush=True)


def write_search(args: argparse.Namespace, held: Sequence[str], results: Path) -> Path:
    """Write the search down, best first; returns the Markdown file."""
    trials: dict[str, list[dict[str, Any]]] = {}
    for record in read_records(results):
        trials.setdefault(record['row'], []).append(record)
    mean = {
        name: sum(r['J&F'] for r in runs) / len(runs) for name, runs in trials.items()
    }
    order = sorted(mean, key=lambda name: -mean[name])
    search = {
        'row': args.row,
        'steps': args.steps,
        'space': {name: getattr(args, name) for name in (*SPACE, 'stages', 'norms')},
        'trials_asked': args.trials,
        'search_seed': args.search_seed,
        'validation_videos': list(held),
        'results': [{'mean J&F': mean[name], 'runs': trials[name]} for name in order],
    }
    (results.parent / 'search.json').write_text(json.dumps(search, indent=1) + '\n')
    head = ['lr', 'batch', 'warm-up', 'stage', 'final norm', 'seeds', 'J&F', 'minutes']
    rows = []
    for name in order:
        one = trials[name][0]
        seconds = sum(r['seconds'] for r in trials[name]) / len(trials[name])
        rows.append(
            [
                *(f'{one[key]:g}' for key in ('lr', 'batch', 'warmup')),
                one['stage'],
                'yes' if one['final_norm'] else 'no',
                str(len(trials[name])),
                f'{100 * mean[name]:.1f}',
                f'{seconds / 60:.1f}',
            ]
        )
    path = results.parent / 'search.md'
    path.write_text(
        f'Row {args.row}, {args.steps} steps a trial; J&F (%) on the validation videos '
        f'{", ".join(held)}.\n\n{markdown_table(head, rows, "<")}\n'
    )
    return path


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    args = build_parser().parse_args(argv)
    root, work_dir = Path(args.data, 'ytvos', 'train'), Path(args.work_dir)
    try:
        row, trials = find_row(args.row), draw_trials(args)
        if not row.trained:
            raise ValueError(f"row '{row.name}' is not trained: there is nothing to tune")
        train_root, val_root = link_split(root, work_dir / 'split')
        _, held = split_videos([p.name for p in (root / 'JPEGImages').iterdir()])
        configs = [
            (trial, trial_config(args, row, train_root.absolute(), trial, seed))
            for trial in trials
            for seed in args.seeds
        ]
        # A row whose features are those of stage -1 has that one alone.
        args.last_stage = 0 if configs[0][1].features.out_stage == -1 else 3
        readings(args, args.last_stage)
        keep_plan(args, row, root, work_dir)
    except (OSError, ValueError) as error:
        print(f'tune.py: {error}', file=sys.stderr)
        return 1
    results = work_dir / 'trials.jsonl'
    start = time.perf_counter()
    for i, (trial, cfg) in enumerate(configs, start=1):
        try:
            run_trial(args, cfg, val_root.absolute(), trial, results)
        except ValueError as error:
            print(f'tune.py: {error}', file=sys.stderr)
            return 1
        left = (time.perf_counter() - start) / i * (len(configs) - i)
        path = write_search(args, held, results)
        print(f'{i} of {len(configs)} trainings; about {left / 60:.0f} minutes left')
    print(f"The search is written down in '{path}'")
    return 0


if __name__ == '__main__':
    sys.exit(main())
