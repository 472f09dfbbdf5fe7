"""The rows of the mini-benchmark, and their configs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from videomac.utils import merge_options

__all__ = ['CONFIGS', 'ROWS', 'Row', 'find_row', 'fingerprint', 'read_config', 'schedule']

CONFIGS = Path(__file__).with_name('configs')
#: What changes from seed to seed or machine to machine, and not what is trained.
NEUTRAL = (
    *('work_dir', 'seed', 'randomness', 'default_hooks', 'log_processor', 'launcher'),
    'shortcuts',
)


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        name: On the command line.
        title: In the table.
        encoder: Of which network; rows are compared with those of the same encoder.
        config: Stem of its config in ``configs/``.
        trained: Whether it is trained at all.
    """

    name: str
    title: str
    encoder: str
    config: str
    trained: bool = True


ATTO, RESNET = 'ConvNeXt V2-atto', 'ResNet-18, half width'
ISOTROPIC, VIT = 'ConvNeXt V2, isotropic', 'ViT, 192 wide'
RELEASED = 'ConvNeXt V2-atto, released topology'

ROWS = (
    Row('random', 'random initialisation', ATTO, 'videomac', trained=False),
    Row('videomac', 'VideoMAC', ATTO, 'videomac'),
    Row('fcmae', 'FCMAE, ratio .6', ATTO, 'fcmae'),
    Row('fcmae-ratio75', 'FCMAE, ratio .75 (L_o alone)', ATTO, 'fcmae-ratio75'),
    Row('spark', 'SparK', ATTO, 'spark'),
    Row('random-mae', 'random initialisation, stride 16', VIT, 'mae', trained=False),
    Row('mae', 'MAE, stride 16', VIT, 'mae'),
    Row('random-resnet18', 'random initialisation', RESNET, 'resnet18', trained=False),
    Row('resnet18', 'VideoMAC', RESNET, 'resnet18'),
    Row('gamma0', 'gamma 0', ATTO, 'gamma0'),
    Row('asymmetric', 'asymmetric masks', ATTO, 'asymmetric'),
    Row('gap5', 'gap 5', ATTO, 'gap5'),
    Row('gap10', 'gap 10', ATTO, 'gap10'),
    Row('ratio50', 'ratio .5', ATTO, 'ratio50'),
    Row('ratio90', 'ratio .9', ATTO, 'ratio90'),
    Row('target-shared', 'target off: shared weights', ATTO, 'target-shared'),
    Row('target-constant', 'target of constant momentum', ATTO, 'target-constant'),
    Row('target-gradient', 'L_t with gradient, shared weights', ATTO, 'target-gradient'),
    Row('symmetric-pair', 'each network sees both frames', ATTO, 'symmetric-pair'),
    Row('color', 'colour augmentation, no crops', ATTO, 'color'),
    Row('batch-grn', 'GRN over the batch', ATTO, 'batch-grn'),
    Row('random-released', 'random initialisation', RELEASED, 'released', trained=False),
    Row('released', 'VideoMAC', RELEASED, 'released'),
    Row(
        'random-isotropic',
        'random initialisation, stride 16',
        ISOTROPIC,
        'isotropic',
        trained=False,
    ),
    Row('isotropic', 'VideoMAC, stride 16', ISOTROPIC, 'isotropic'),
)


def find_row(name: str) -> Row:
    """Look a row up.

    Raises:
        ValueError: There is none of this name.
    """
    for row in ROWS:
        if row.name == name:
            return row
    raise ValueError(
        f"there is no row '{name}'; there are {', '.join(row.name for row in ROWS)}"
    )


def schedule(cfg: Config, steps: int, warmup: int) -> None:
    """Make a config train for ``steps`` steps, of which the first ``warmup`` warm up.

    Raises:
        ValueError: The warm-up leaves nothing, or there is none.
    """
    if not 0 < warmup < steps:
        raise ValueError(
            f'{warmup} steps of warm-up in a training of {steps} steps; give at least 2 '
            'steps, of which at least one warms up and one does not'
        )
    cfg.train_cfg.max_iters = steps
    rise, fall = cfg.param_scheduler
    rise.end = fall.begin = warmup
    fall.T_max = steps - warmup
    fall.end = steps


def read_config(
    row: Row,
    train_root: Path,
    seed: int,
    steps: int | None = None,
    options: Mapping[str, Any] | None = None,
    warmup: float | None = None,
) -> Config:
    """Read the config of a row.

    Args:
        row: The row.
        train_root: Folder of the training videos, as YouTube-VOS has them.
        seed: Of weights, masks and the order of the samples.
        steps: Of the training; the config's by default.
        options: Changes, by their dotted names.
        warmup: Share of the steps that warm up; the config's by default.
    """
    cfg = Config.fromfile(CONFIGS / f'{row.config}.py')
    merge_options(cfg, options, read=('features', 'warmup_steps'))
    steps = cfg.train_cfg.max_iters if steps is None else steps
    share = cfg.warmup_steps / cfg.max_steps if warmup is None else warmup
    schedule(cfg, steps, max(1, round(share * steps)))
    cfg.train_dataloader.dataset.source.data_root = str(train_root)
    cfg.seed = cfg.randomness.seed = seed
    return cfg


def fingerprint(cfg: Config) -> str:
    """Hash what a training depends on, but for its seed and where its data lie."""
    kept = cfg.to_dict()
    for name in NEUTRAL:
        kept.pop(name, None)
    kept.pop('data_root', None)
    kept['train_dataloader']['dataset']['source'].pop('data_root', None)
    text = json.dumps(kept, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
