#!/usr/bin/env python
"""Estimate what training a config costs on several GPUs: time, traffic, cores, memory."""

import argparse
from collections.abc import Sequence
from typing import Any

from mmengine.config import Config
from mmengine.optim import AmpOptimWrapper
from mmengine.registry import init_default_scope

from videomac.analysis import (
    Estimate,
    Machine,
    Plan,
    Workload,
    estimate,
    measure_workload,
    unseen_samples,
)
from videomac.engine import BFloat16OptimWrapper
from videomac.models import VideoMAC
from videomac.registry import MODELS, OPTIM_WRAPPERS
from videomac.utils import (
    CfgOptions,
    config_class,
    find_config,
    markdown_table,
    merge_options,
)

DEFAULT = 'configs/videomac/videomac_convnextv2-small_8xb64-amp-coslr-100e_ytvos.py'
#: Of YouTube-VOS 2018 train at gap 1: 94,588 frames of 3,471 videos.
YTVOS_PAIRS = 94588 - 3471
GIGA, GIBI = 1e9, 2**30


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add(
        'config',
        nargs='?',
        default=DEFAULT,
        help='path of a config, or its path below configs/ of the toolbox [%(default)s]',
    )
    add('--gpus', type=int, nargs='+', default=[1, 2, 4, 8, 16, 32], metavar='N')
    speed = parser.add_mutually_exclusive_group(required=True)
    speed.add_argument(
        '--flops-rate',
        type=float,
        metavar='G',
        help='1e9 multiply-adds on visible patches that a GPU does in a second of '
        'training: visible_gflops of a log, divided by its processes',
    )
    speed.add_argument(
        '--step-seconds',
        type=float,
        metavar='S',
        help='seconds of an iteration on one GPU without waiting for data',
    )
    add('--bandwidth', type=float, metavar='G', help='1e9 bytes a second between GPUs')
    add(
        '--pairs-per-core',
        type=float,
        metavar='N',
        help='pairs a second that a core reads, from benchmarks/dataloader.py',
    )
    add('--cores', type=float, metavar='N', help='for each GPU [as many as it takes]')
    add(
        '--pairs',
        type=int,
        default=YTVOS_PAIRS,
        metavar='N',
        help='in the data set [%(default)s, of YouTube-VOS]',
    )
    add('--gradient-bytes', type=int, choices=(2, 4), default=4, help='of each value')
    add(
        '--cfg-options',
        nargs='+',
        action=CfgOptions,
        metavar='KEY=VALUE',
        help='change the config: train_dataloader.batch_size=128',
    )
    return parser


def uses_amp(cfg: Config) -> bool:
    """Whether the config trains in mixed precision."""
    wrapper = config_class(OPTIM_WRAPPERS, cfg.optim_wrapper)
    return wrapper in (AmpOptimWrapper, BFloat16OptimWrapper)


def measure(cfg: Config) -> Workload:
    """Build the model of a config and measure a step of it."""
    init_default_scope(cfg.get('default_scope', 'videomac'))
    model: Any = MODELS.build(cfg.model)
    if not isinstance(model, VideoMAC):
        raise ValueError(f'the model is no VideoMAC, but a {type(model).__name__}')
    side = cfg.get('image_size', 224)
    return measure_workload(model, (side, side), uses_amp(cfg))


def make_plan(cfg: Config, gpus: int, pairs: int) -> Plan:
    """Read from a config how much it trains."""
    loader, train = cfg.train_dataloader, cfg.train_cfg
    plan = Plan(
        processes=gpus,
        batch_size=loader.batch_size,
        samples=pairs,
        accumulation=cfg.optim_wrapper.get('accumulative_counts', 1),
        repeats=loader.dataset.get('repeats', 1),
        drop_last=loader.get('drop_last', False),
    )
    if 'max_epochs' in train:
        passes = train.max_epochs
    else:
        passes = train.max_iters / plan.iterations_per_pass
    return Plan(**{**vars(plan), 'passes': passes})


def make_machine(args: argparse.Namespace, work: Workload, plan: Plan) -> Machine:
    """Read from the command line what the machine can do."""
    if args.step_seconds is None:
        rate = args.flops_rate * GIGA
    elif args.step_seconds > 0:
        rate = work.work * plan.batch_size * plan.repeats / args.step_seconds
    else:
        raise ValueError(f'--step-seconds must be above 0, got {args.step_seconds}')
    bandwidth = None if args.bandwidth is None else args.bandwidth * GIGA
    return Machine(rate, bandwidth, args.pairs_per_core, args.cores)


HEADER: tuple[str, ...] = (
    'GPUs',
    'samples/step',
    'iterations',
    'left out',
    'step, ms',
    'sent, MB',
    'all-reduce, ms',
    'pairs/s',
    'efficiency',
    'GPU-hours',
    'hours',
    'cores/GPU',
)


def cells(plan: Plan, found: Estimate) -> tuple[str, ...]:
    """Write a row of the table."""
    left_out = 0
    if plan.drop_last:
        left_out = unseen_samples(plan.samples, plan.processes, plan.batch_size)
    needed = found.cores_needed
    return (
        f'{plan.processes}',
        f'{plan.step_samples}',
        f'{plan.iterations:.0f}',
        f'{left_out}',
        f'{found.seconds * 1000:.1f}',
        f'{found.sent / 1e6:.0f}',
        f'{found.all_reduce * 1000:.1f}',
        f'{found.samples_per_second / plan.repeats:.0f}',
        f'{found.efficiency:.3f}',
        f'{found.gpu_hours:.1f}',
        f'{found.gpu_hours / plan.processes:.1f}',
        '-' if needed is None else f'{needed:.1f}',
    )


def report(cfg: Config, args: argparse.Namespace) -> str:
    """Describe what training costs."""
    work = measure(cfg)
    rows = []
    memory = []
    for gpus in args.gpus:
        plan = make_plan(cfg, gpus, args.pairs)
        machine = make_machine(args, work, plan)
        found = estimate(work, plan, machine, args.gradient_bytes)
        rows.append(cells(plan, found))
        memory.append(found)
    total = work.work * plan.passes * plan.samples * plan.repeats
    lines = [
        markdown_table(HEADER, rows, '>'),
        '',
        f'{work.work / 1e9:.2f} G multiply-adds a sample, {total / 1e15:.1f} P in all, '
        f'at {machine.rate / 1e12:.2f} T a second and GPU; '
        f'{work.trainable / 1e6:.1f} M trainable parameters.',
        f'Memory of a GPU, at least: {memory[-1].state / GIBI:.2f} GiB of weights, '
        f'gradients and optimiser, {memory[-1].activations / GIBI:.2f} GiB kept for the '
        'backward pass.',
        'samples/step: in a step of the optimiser. left out: pairs of a pass, other ones '
        'in each.',
        'step: of the optimiser. cores/GPU: with which loading is as fast as the rest.',
    ]
    return '\n'.join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and print."""
    args = build_parser().parse_args(argv)
    try:
        cfg = Config.fromfile(find_config(args.config))
    except FileNotFoundError as error:
        raise SystemExit(f'scaling.py: {error}') from None
    merge_options(cfg, args.cfg_options, read=('image_size',))
    missing = [k for k in ('model', 'train_dataloader', 'train_cfg') if not cfg.get(k)]
    if missing:
        raise SystemExit(
            f"scaling.py: the config '{args.config}' has no {', '.join(missing)}"
        )
    try:
        print(report(cfg, args))
    except ValueError as error:
        raise SystemExit(f'scaling.py: {error}') from None


if __name__ == '__main__':
    main()
