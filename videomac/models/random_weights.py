"""Networks of configs with the weights that a command line asks for, or random ones."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from ..checkpoints.stored_config import LOADING

__all__ = ['choose_weights', 'untrained']

NONE = 'none'  # what stands for random weights on command lines
#: What names weights; an ``init_cfg`` may be a way to draw them, and is looked into.
NAMING = frozenset(LOADING) - {'init_cfg'}


def untrained(config: Any) -> Any:
    """Copy the config of a network so that all of its weights are random.

    Args:
        config: Config of a network, or a part of it.

    Returns:
        A copy with None for whatever names weights: ``checkpoint``, ``pretrained`` and
        so on, also within an ``init_cfg``. Of a config without any it is equal.
    """
    if isinstance(config, Mapping):
        kind: Any = type(config)
        return kind(
            (key, None if key in NAMING and value else untrained(value))
            for key, value in config.items()
        )
    if isinstance(config, list | tuple):
        return type(config)(untrained(each) for each in config)
    return config


def choose_weights(backbone: dict[str, Any], checkpoint: str) -> dict[str, Any]:
    """Copy the config of a :class:`FeatureExtractor` with other weights.

    Args:
        backbone: The config.
        checkpoint: Path or address of the weights; ``'none'`` for random ones, whatever
            the config names.
    """
    random = checkpoint == NONE
    chosen: dict[str, Any] = untrained(backbone) if random else copy.copy(backbone)
    chosen['checkpoint'] = None if random else checkpoint
    return chosen
