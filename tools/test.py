#!/usr/bin/env python
"""Test an encoder: propagate the labels of videos and score them, or classify images."""

import argparse
import inspect
import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import barrier, get_world_size, is_main_process
from mmengine.logging import MMLogger, print_log
from mmengine.registry import init_default_scope
from mmengine.runner import set_random_seed

from videomac.datasets.propagation_base import PropagationDataset
from videomac.datasets.watched_loader import LOADER_TIMEOUT
from videomac.engine.image_evaluation import evaluate_images, is_image_config
from videomac.engine.propagation_loop import PropagationLoop
from videomac.evaluation import PredictionWriter, VideoMetric
from videomac.evaluation.places import check_apart, check_place, prediction_files
from videomac.evaluation.run_identity import run_identity
from videomac.evaluation.writer import RUN, restart
from videomac.models.propagation import LabelPropagator
from videomac.models.propagation.settings import drop_old_preset
from videomac.models.random_weights import choose_weights
from videomac.registry import DATASETS, METRICS, MODELS
from videomac.utils import (
    CfgOptions,
    config_class,
    find_config,
    merge_options,
    plain_errors,
    read_config,
)
from videomac.utils.distributed import end_processes, start_sharing_processes
from videomac.utils.paths import kept_config, spare_config
from videomac.visualization.propagation import PropagationPainter


def build_parser() -> argparse.ArgumentParser:
    """Make the parser; the arguments are those of OpenMMLab's tools."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('config', help='path of a config, or its path below configs/ of the toolbox')
    add(
        'checkpoint',
        nargs='?',
        help='weights of the encoder: a pre-training run, or a network of mmpretrain, '
        "timm or torchvision; 'none' for random ones [those of the config, else random]",
    )
    add('--work-dir', help='folder of logs and results [work_dirs/<config>]')
    add('--out', help='folder of the predictions [<work-dir>/predictions]')
    add('--show-dir', help='folder for pictures and clips of the predictions')
    add(
        '--resume',
        action=argparse.BooleanOptionalAction,
        default=True,
        help='go on where an earlier run of the same kind stopped (default), or throw '
        'its predictions away',
    )
    add(
        '--cfg-options',
        nargs='+',
        action=CfgOptions,
        metavar='KEY=VALUE',
        help='change the config: model.topk=10 test_dataloader.dataset.videos=camel,dog',
    )
    add('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    # Launchers pass the rank under either spelling.
    add('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    return parser


def merge_args(cfg: Config, args: argparse.Namespace) -> Config:
    """Apply the command line to a config.

    The work dir is the command line's, else the config's, else named by the config; the
    checkpoint likewise, and without any the encoder is random.

    Raises:
        ValueError: Something of it would be passed over when labels are propagated.
    """
    options = args.cfg_options or {}
    drop_old_preset(cfg.model, options)
    merge_options(cfg, options)
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(args.config).stem)
    if not is_image_config(cfg):
        check_weights(cfg)
        if args.checkpoint is not None:
            cfg.model.backbone = choose_weights(cfg.model.backbone, args.checkpoint)
    return cfg


def check_weights(cfg: Config) -> None:
    """Check that the weights are given where label propagation looks for them.

    Raises:
        ValueError: They are given as mmengine's ``load_from``.
    """
    if cfg.get('load_from') is not None:
        raise ValueError(
            f"load_from='{cfg.load_from}' is for classifiers, and not read here: give "
            'the checkpoint as the second argument'
        )


def start_logging(cfg: Config, config: Path, device: torch.device) -> None:
    """Log to the work dir, and leave the config there."""
    folder = Path(cfg.work_dir)
    folder.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime('%Y%m%d_%H%M%S')
    log = str(folder / f'{stamp}.log') if is_main_process() else None
    MMLogger.get_instance(f'test_{stamp}_{id(cfg)}', log_file=log)
    if is_main_process():
        cfg.dump(kept_config(folder, config))
    place = f'{device}' + (f', {get_world_size()} processes' * (get_world_size() > 1))
    print_log(f'torch {torch.__version__} on {place}; results in {folder}', 'current')


def build_dataset(cfg: Config) -> PropagationDataset:
    """Build the data set, and say what it should look like where there is none."""
    settings = cfg.test_dataloader.dataset
    root = settings.get('data_root', '')
    if not Path(root).is_dir():
        kind = config_class(DATASETS, settings)
        paragraphs = (inspect.getdoc(kind) or '').split('\n\n')
        tree = ' '.join(text for text in paragraphs if text.startswith('Expects'))
        raise FileNotFoundError(
            f"there is no folder '{root}'. {' '.join(tree.split())} Say where it is with "
            '--cfg-options test_dataloader.dataset.data_root=FOLDER'
        )
    dataset: PropagationDataset = DATASETS.build(settings)
    return dataset


def build_model(cfg: Config, device: torch.device, seed: int) -> LabelPropagator:
    """Build the model, with the same random weights in every process."""
    set_random_seed(seed)
    model: LabelPropagator = MODELS.build(cfg.model)
    if cfg.model.backbone.get('checkpoint') is None:
        print_log(
            'NO CHECKPOINT: unless the config of the encoder loads weights itself, they '
            f'are random (seed {seed}), and the scores are those of no training at all',
            'current',
            logging.WARNING,
        )
    print_log(f'{model.settings}', 'current')
    return model.to(device).eval()


def build_metrics(cfg: Config) -> list[VideoMetric]:
    """Build the metrics, which leave their tables in the work dir."""
    settings = cfg.get('test_evaluator') or []
    listed = [settings] if isinstance(settings, dict) else settings
    return [METRICS.build({'out_dir': cfg.work_dir, **each}) for each in listed]


def check_metrics(metrics: Sequence[VideoMetric], dataset: PropagationDataset) -> None:
    """Check, before anything is computed, that the metrics have what they need.

    Raises:
        ValueError: One does not, as on a split without ground truth.
    """
    video = dataset[0]['inputs']
    try:
        for metric in metrics:
            metric.check(video)
    except ValueError as error:
        raise ValueError(
            f'{error}. To write the predictions without scores: --cfg-options '
            'test_evaluator=None'
        ) from error


def open_predictions(
    folder: Path, run: Mapping[str, Any], dataset: PropagationDataset, resume: bool
) -> PredictionWriter:
    """Open the folder of the predictions, with those of an earlier run or none.

    Args:
        folder: The folder; without a ``run.json`` nothing in it is of this tool.
        run: See :func:`run_identity`.
        dataset: The videos. Predictions are thrown away whether their videos are asked
            for or not.
        resume: Whether to keep predictions of an earlier run.

    Raises:
        ValueError: It has predictions of another run.
    """
    known = (folder / RUN).is_file()
    barrier()  # all have looked before one of them writes
    if known and not resume and is_main_process():
        restart(folder, run, dataset.list_videos(), files_of(dataset))
    barrier()
    try:
        return PredictionWriter(folder, run)
    except ValueError as error:
        other = ': --work-dir DIR' + '. --no-resume replaces them' * known
        raise ValueError(f'{error}{other}') from error


def files_of(dataset: PropagationDataset) -> str:
    """Pattern of the names of the predictions' files, which all videos share."""
    return prediction_files(dataset[0]['inputs'])


def check_places(
    args: argparse.Namespace, out: Path, dataset: PropagationDataset
) -> None:
    """Check, before anything is computed, that nothing of other origin is replaced.

    Args:
        args: The command line.
        out: Folder of the predictions.
        dataset: The videos.

    Raises:
        ValueError: Predictions or pictures would take the place of other files, or of
            each other, predictions that of data, or pictures would lie in the data set.
    """
    check_apart(out, dataset)
    files = files_of(dataset)
    for video in dataset.folders:
        check_place(out, video.name, files)
    if args.show_dir is None:
        return
    show = Path(args.show_dir).resolve()
    if show == out.resolve():
        raise ValueError(
            f"--show-dir: '{args.show_dir}' is the folder of the predictions, whose "
            'place the pictures would take; name another'
        )
    if show.is_relative_to(dataset.data_root.resolve()):
        raise ValueError(
            f"--show-dir: '{args.show_dir}' lies in the data set; name a folder outside"
        )
    painter = PropagationPainter(show)
    for video in dataset.folders:
        painter.check(video.name, video.path)


def prepare(
    cfg: Config, args: argparse.Namespace, config: Path
) -> tuple[PropagationLoop, Path]:
    """Build all that a run needs, and name the folder of its predictions."""
    device = start_sharing_processes(cfg.launcher)
    start_logging(cfg, config, device)
    init_default_scope(cfg.get('default_scope', 'videomac'))
    seed = cfg.get('randomness', {}).get('seed') or 0
    folder = Path(args.out or Path(cfg.work_dir) / 'predictions')
    dataset = build_dataset(cfg)
    checkpoint = cfg.model.backbone.get('checkpoint')
    run = run_identity(cfg.model, cfg.test_dataloader.dataset, checkpoint, seed)
    metrics = build_metrics(cfg)
    check_metrics(metrics, dataset)
    check_places(args, folder, dataset)
    model = build_model(cfg, device, seed)
    writer = open_predictions(folder, run, dataset, args.resume)
    painter = PropagationPainter(args.show_dir) if args.show_dir else None
    return PropagationLoop(model, dataset, metrics, writer, painter), folder


def set_workers(cfg: Config) -> None:
    """Let loaders of images end with an error where a worker hangs, if there are any."""
    for loader in (cfg.test_dataloader, cfg.test_cfg.get('bank_dataloader')):
        if loader and loader.get('num_workers', 0) > 0:
            loader.setdefault('timeout', LOADER_TIMEOUT)
        elif loader:  # torch refuses both where there are no workers
            loader.update(persistent_workers=False, timeout=0)


def classify_images(cfg: Config, args: argparse.Namespace) -> dict[str, float]:
    """Test a classifier of images, or an encoder by k-NN, as mmengine's runner does."""
    for name in ('out', 'show_dir'):
        if getattr(args, name) is not None:
            raise ValueError(f'--{name.replace("_", "-")} is for labels of videos')
    spare_config(cfg)
    set_workers(cfg)
    results = evaluate_images(cfg, args.checkpoint)
    for name, value in results.items():
        print_log(f'{name}: {value:.4f}', 'current')
    return results


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Parse the command line, propagate and score."""
    args = build_parser().parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    with plain_errors('test.py'):
        config = find_config(args.config)
        cfg = read_config(config)
        if not cfg.get('model') or not cfg.get('test_dataloader'):
            raise ValueError(
                f"'{args.config}' tests nothing (it has no test_dataloader); what it "
                'trains is tested with the configs in configs/propagation'
            )
        cfg = merge_args(cfg, args)
        if is_image_config(cfg):
            return classify_images(cfg, args)
        loop, folder = prepare(cfg, args, config)
    with plain_errors('test.py', others=False):
        results = loop.run()
    print_log(f"The predictions are in '{folder}'", 'current')
    for name, value in results.items():
        print_log(f'{name}: {value:.4f}', 'current')
    return results


if __name__ == '__main__':
    main()
    end_processes()
