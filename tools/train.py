#!/usr/bin/env python
"""Train the model that a config describes.

Exit status: 0 at the end of the training; 75 if it was asked to stop (SIGTERM, SIGUSR1)
and has a checkpoint, from which --resume goes on; anything else is an error.
"""

import argparse
import logging
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from videomac.checkpoints import UnusableCheckpointError
from videomac.datasets.watched_loader import LOADER_TIMEOUT
from videomac.engine import (
    BFloat16OptimWrapper,
    ClassesError,
    NonFiniteError,
    Preempted,
    TargetEMAHook,
    check_loader,
    learning_rate_ratio,
)
from videomac.engine.checkpoint_files import CheckpointError, check_folder
from videomac.engine.restart import choose_start, is_first_process
from videomac.registry import OPTIM_WRAPPERS
from videomac.utils import (
    CfgOptions,
    config_class,
    drop_unset_hooks,
    merge_options,
    plain_errors,
    read_config,
)
from videomac.utils.distributed import (
    end_processes,
    prepare_cpu_processes,
    prepare_restarted_processes,
)
from videomac.utils.memory import keep_freed_memory
from videomac.utils.paths import spare_config

NEEDED = ('model', 'train_cfg', 'train_dataloader', 'optim_wrapper')
DATALOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
# Errors of a run that say all there is to know.
RUN_ERRORS = (CheckpointError, ClassesError, NonFiniteError, UnusableCheckpointError)
# Values of optim_wrapper.dtype with which no precision is mixed.
WHOLE = ('float32', torch.float32)
# Wrappers that scale no loss.
UNSCALED = (OptimWrapper, BFloat16OptimWrapper)


def build_parser() -> argparse.ArgumentParser:
    """Make the parser; the arguments are those of OpenMMLab's tools."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('config', help='path of a config, or its path below configs/ of the toolbox')
    add('--work-dir', help='folder of logs and checkpoints [work_dirs/<config>]')
    add(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from a checkpoint; without a path, from the newest in the work dir, '
        'or from the beginning if there is none',
    )
    precision = parser.add_mutually_exclusive_group()
    precision.add_argument('--amp', action='store_true', help='automatic mixed precision')
    precision.add_argument(
        '--no-amp',
        action='store_true',
        help='single precision, also where the config says otherwise',
    )
    add('--no-validate', action='store_true', help='do not evaluate while training')
    add(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate to the batch size that is really used',
    )
    add('--no-pin-memory', action='store_true', help='pin_memory=False in all loaders')
    add(
        '--no-persistent-workers',
        action='store_true',
        help='persistent_workers=False in all loaders',
    )
    add(
        '--cfg-options',
        nargs='+',
        action=CfgOptions,
        metavar='KEY=VALUE',
        help='change the config: model.masking.ratio=0.9 "key=[(1,2),3]"',
    )
    add('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    # Launchers pass the rank under either spelling.
    add('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    return parser


def set_precision(cfg: Config, args: argparse.Namespace) -> None:
    """Give the optimiser a wrapper of the precision asked for, that can run here.

    A config may ask for mixed precision, and the command line may take it back: by
    --no-amp, a dtype that is no mixed one, or the type of a wrapper without it.
    """
    wrapper = cfg.get('optim_wrapper')
    if not wrapper:
        return
    options = args.cfg_options or {}
    kind = config_class(OPTIM_WRAPPERS, wrapper)
    amp = args.amp or kind is AmpOptimWrapper
    if args.no_amp or (amp and wrapper.get('dtype') in WHOLE):
        forget_amp(wrapper, 'OptimWrapper')
    elif amp and torch.cuda.is_available():
        wrapper.type = 'AmpOptimWrapper'
        wrapper.setdefault('loss_scale', 'dynamic')
    elif amp:
        print_log(
            'No GPU: mixed precision runs in bfloat16, without loss scaling, since '
            'float16 is slow and narrow on CPUs',
            level=logging.WARNING,
        )
        forget_amp(wrapper, 'BFloat16OptimWrapper')
    elif 'optim_wrapper.type' in options and kind in UNSCALED:
        forget_amp(wrapper, wrapper.type, but=options)


def forget_amp(wrapper: ConfigDict, kind: str, but: Collection[str] = ()) -> None:
    """Make a wrapper one that does not take the settings of mmengine's mixed precision.

    Args:
        wrapper: Config of the wrapper; it is changed.
        kind: Its new type.
        but: Options whose settings stay, for the wrapper to refuse.
    """
    wrapper.type = kind
    for name in ('loss_scale', 'dtype', 'use_fsdp'):
        if f'optim_wrapper.{name}' not in but:
            wrapper.pop(name, None)


def scale_learning_rate(runner: Any) -> None:
    """Fit the learning rate to the samples of a step, where the config asks for it.

    mmengine counts neither accumulated batches nor repeats, and would log the rate
    without the factor.
    """
    if not (runner.auto_scale_lr or {}).get('enable'):
        return
    ratio = learning_rate_ratio(runner.cfg, runner.world_size)
    optimizer = runner.optim_wrapper['optimizer']
    runner.logger.info(
        f'--auto-scale-lr: a step has {ratio:g} times the samples that the learning rate '
        f'{optimizer["lr"]:g} is for, which becomes {optimizer["lr"] * ratio:g}'
    )
    optimizer['lr'] *= ratio
    runner.auto_scale_lr = None


def set_loaders(cfg: Config, args: argparse.Namespace) -> None:
    """Give the data loaders OpenMMLab's defaults, and the flags their say."""
    for name in DATALOADERS:
        if cfg.get(name) is None:
            continue
        loader = cfg[name]
        defaults = ConfigDict(
            pin_memory=True,
            persistent_workers=True,
            collate_fn=dict(type='default_collate'),
        )
        defaults.update(loader)
        if args.no_pin_memory:
            defaults.pin_memory = False
        defaults.setdefault('timeout', LOADER_TIMEOUT)
        # torch refuses persistent workers and a timeout where there are no workers.
        workers = defaults.get('num_workers', 0) > 0
        if args.no_persistent_workers or not workers:
            defaults.persistent_workers = False
        if not workers:
            defaults.timeout = 0
        cfg[name] = defaults


def name_loop(cfg: Config) -> None:
    """Give ``train_cfg`` a type; mmengine would take its own loops without one."""
    train_cfg = cfg.get('train_cfg')
    if train_cfg and 'type' not in train_cfg and 'by_epoch' in train_cfg:
        by_epoch = train_cfg.pop('by_epoch')
        train_cfg.type = 'EpochBasedTrainLoop' if by_epoch else 'IterBasedTrainLoop'


def merge_args(cfg: Config, args: argparse.Namespace) -> Config:
    """Apply the command line to a config.

    The work dir is the command line's, else the config's, else named by the config.
    ``--cfg-options`` come first, so that the other arguments see their effect.
    """
    merge_options(cfg, args.cfg_options)
    drop_unset_hooks(cfg)
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(args.config).stem)
    set_precision(cfg, args)
    if args.resume is not None:
        cfg.resume = True
        if args.resume != 'auto':
            cfg.load_from = args.resume
    if args.auto_scale_lr:
        if cfg.get('auto_scale_lr') is None:
            raise SystemExit(
                f"--auto-scale-lr: '{args.config}' does not say for which batch size "
                'its learning rate is; add auto_scale_lr = dict(base_batch_size=...)'
            )
        cfg.auto_scale_lr.enable = True
    if cfg.get('compile') and 'sparse' in cfg.get('model', {}):
        raise SystemExit(
            "compile: torch.compile cannot trace the sparse engine of this config's "
            'model, and gains nothing beside it (docs/design/scaling.md); remove it'
        )
    set_loaders(cfg, args)
    name_loop(cfg)
    return cfg


def check_inputs(cfg: Config, args: argparse.Namespace) -> None:
    """Look for what is not there before anything is built.

    Raises:
        ValueError: The config trains nothing.
        FileNotFoundError: There is no such checkpoint, or no such data.
    """
    missing = [name for name in NEEDED if not cfg.get(name)]
    if missing:
        raise ValueError(
            f"'{args.config}' has no {' and no '.join(missing)}: it trains nothing. "
            'tools/test.py runs configs of evaluation'
        )
    named = args.resume not in (None, 'auto') and '://' not in args.resume
    if named and not Path(args.resume).exists():
        raise FileNotFoundError(f"--resume: there is no checkpoint '{args.resume}'")
    # Sources of pairs of frames say more about what they expect.
    root = cfg.train_dataloader.dataset.get('data_root')
    if root and '://' not in root and not Path(root).is_dir():
        raise FileNotFoundError(
            f"train_dataloader.dataset.data_root: there is no folder '{root}'"
        )


def build_runner(args: argparse.Namespace) -> Any:
    """Read the config and build what it describes, the training data included."""
    cfg = merge_args(read_config(args.config), args)
    check_inputs(cfg, args)
    prepare_cpu_processes(cfg)
    prepare_restarted_processes(cfg)
    keep_freed_memory()
    if is_first_process():
        check_folder(cfg.work_dir)
    choose_start(cfg, newest=args.resume == 'auto')
    spare_config(cfg)
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    # The runner would do this first of all; here it still is the config's fault.
    check_loader(runner.train_loop.dataloader, runner.world_size)
    for hook in runner.hooks:
        if isinstance(hook, TargetEMAHook):
            hook.before_train(runner)  # which only looks at the model
    scale_learning_rate(runner)
    return runner


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and train."""
    args = build_parser().parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    with plain_errors('train.py'):
        runner = build_runner(args)
    try:
        runner.train()
    except RUN_ERRORS as error:
        raise SystemExit(f'train.py: {error}') from error


if __name__ == '__main__':
    try:
        main()
    except Preempted as ended:
        end_processes(ended.code)
        raise
    end_processes()
