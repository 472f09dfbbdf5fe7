"""Testing of image classifiers, and of encoders by k-NN, from a config."""

from __future__ import annotations

import logging
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from ..models.propagation import LabelPropagator
from ..models.random_weights import untrained
from ..registry import LOOPS, MODELS
from ..utils import config_class, drop_unset_hooks
from ..utils.distributed import prepare_cpu_processes
from .knn_loop import KNNTestLoop

__all__ = ['evaluate_images', 'is_image_config']


def is_image_config(cfg: Config) -> bool:
    """Tell whether a config is one of images, which mmengine's runner can test."""
    model = config_class(MODELS, cfg.model)
    propagates = isinstance(model, type) and issubclass(model, LabelPropagator)
    return cfg.get('test_cfg') is not None and not propagates


def evaluate_images(cfg: Config, checkpoint: str | None = None) -> dict[str, float]:
    """Test the model of a config.

    Args:
        cfg: The config, with the command line applied; it is changed.
        checkpoint: Weights. A classifier takes those of a fine-tuning run. For k-NN the
            encoder's are taken from any checkpoint that has it, of pre-training too; if
            None, from the backbone's ``init_cfg``. ``'none'`` leaves random weights.

    Returns:
        The metrics by name.

    Raises:
        ValueError: If the checkpoint does not fit, or a classifier has none.
    """
    knn = config_class(LOOPS, cfg.test_cfg) is KNNTestLoop
    if checkpoint is None and not knn and cfg.get('load_from') is None:
        raise ValueError(
            "give the checkpoint of a fine-tuning run, or 'none' for random weights"
        )
    named = None if checkpoint == 'none' else checkpoint
    if checkpoint == 'none':
        cfg.model.backbone = untrained(cfg.model.backbone)
        cfg.load_from = None
    elif knn and named:
        cfg.model.backbone.init_cfg.checkpoint = named
    # What only trains is not built; nor would the data for it have to be there.
    for name in ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler'):
        cfg[name] = None
    for name in ('val_dataloader', 'val_cfg', 'val_evaluator'):
        cfg[name] = None
    cfg.load_from = None if knn else (named or cfg.get('load_from'))
    cfg.resume = False
    drop_unset_hooks(cfg)
    prepare_cpu_processes(cfg)
    runner: Any = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    if cfg.load_from is None:
        getattr(runner.model, 'module', runner.model).init_weights()
    if named is None and not knn:
        print_log(
            'NO CHECKPOINT: the weights are random, and so are the scores',
            logger='current',
            level=logging.WARNING,
        )
    results: dict[str, float] = runner.test()
    return results
