"""Building networks from configs outside of a runner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.registry import DefaultScope
from torch import nn

from ..registry import MODELS

__all__ = ['build_network']


def build_network(config: Mapping[str, Any]) -> nn.Module:
    """Build a network from its config, whatever the caller's default scope is."""
    with DefaultScope.overwrite_default_scope('videomac'):
        network: nn.Module = MODELS.build(dict(config))
    return network
