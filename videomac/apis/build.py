"""Building networks from configs outside of a runner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.registry import DefaultScope
from torch import nn

from ..registry import MODELS

__all__ = ['build_network', 'encoder_part']


def build_network(config: Mapping[str, Any]) -> nn.Module:
    """Build a network from its config, whatever the caller's default scope is."""
    with DefaultScope.overwrite_default_scope('videomac'):
        network: nn.Module = MODELS.build(dict(config))
    return network


def encoder_part(config: Mapping[str, Any]) -> dict[str, Any]:
    """Find the encoder in the config of a model, or take it to be one.

    Args:
        config: Of an encoder, or of a model that has one under ``encoder``,
            ``backbone`` or ``network``; or a whole config file.

    Raises:
        ValueError: If it is no config of a network.
    """
    for name in ('model', 'encoder', 'backbone', 'network'):
        if isinstance(config.get(name), Mapping):
            return encoder_part(config[name])
    if 'type' not in config:
        raise ValueError(f'the config has no encoder; its keys: {list(config)}')
    return {key: value for key, value in config.items() if key != 'init_cfg'}
