"""What the ``type`` of a config stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.registry import Registry

__all__ = ['config_class']


def config_class(registry: Registry, config: Mapping[str, Any] | None) -> Any:
    """Find the class that a config names.

    Args:
        registry: Where names are looked up.
        config: Its ``type`` is a name, the path of an import, or, in configs of pure
            Python, the class itself.

    Returns:
        The class; None if the config has no ``type``, or one that nobody knows.
    """
    kind = (config or {}).get('type')
    return registry.get(kind) if isinstance(kind, str) else kind
