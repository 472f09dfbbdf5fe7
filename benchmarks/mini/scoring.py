"""Scores an encoder with tools/test.py: DINO's propagation, J and F."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from videomac.utils import find_config, merge_options

from .tool import load_tool

__all__ = ['by_sequence', 'propagation_config', 'score']

BASE = '_base_/propagation/davis2017.py'


def propagation_config(
    cfg: Config, data_root: Path, seed: int, options: Mapping[str, Any] | None = None
) -> Config:
    """Make the config of the propagation.

    Args:
        cfg: Config of the training, whose ``features`` say what is taken from it.
        data_root: Folder of DAVIS-2017, or of videos in its layout.
        seed: Of the weights, where there is no checkpoint.
        options: Changes, by their dotted names.
    """
    made = Config.fromfile(find_config(BASE))
    made.model.backbone.update(cfg.features.to_dict())
    made.test_dataloader.dataset.data_root = str(data_root)
    made.randomness.seed = seed
    merge_options(made, dict(options) if options else None)
    return made


def score(cfg: Config, checkpoint: Path | None, folder: Path) -> dict[str, Any]:
    """Propagate and score; videos that are done already are scored only.

    Args:
        cfg: From :func:`propagation_config`.
        checkpoint: Of the training; None for random weights.
        folder: Of predictions and tables.

    Returns:
        ``J&F``, ``J`` and ``F``, in [0, 1], of all objects and, in ``sequences``, of
        each video; and ``scoring_seconds``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / 'propagation.py'
    cfg.dump(path)
    start = time.perf_counter()
    weights = 'none' if checkpoint is None else str(checkpoint)
    found = load_tool('test').main([str(path), weights, '--work-dir', str(folder)])
    seconds = time.perf_counter() - start
    details = json.loads((folder / 'davis.json').read_text())
    return {
        **{name: found[f'DAVIS/{name}-Mean'] for name in ('J&F', 'J', 'F')},
        'sequences': by_sequence(details['per_object']),
        'scoring_seconds': round(seconds, 1),
    }


def by_sequence(objects: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Average the objects (``<video>_<id>``) of each video."""
    videos: dict[str, list[Mapping[str, Any]]] = {}
    for name, entry in objects.items():
        videos.setdefault(name.rpartition('_')[0], []).append(entry)
    scores = {}
    for video, entries in videos.items():
        J, F = (
            sum(entry[f'{measure}-Mean'] for entry in entries) / len(entries)
            for measure in 'JF'
        )
        scores[video] = {'J&F': (J + F) / 2, 'J': J, 'F': F}
    return scores
