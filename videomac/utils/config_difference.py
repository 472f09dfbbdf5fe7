"""What differs between two configs, one line for each key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ['config_difference', 'flatten_config']

ABSENT = '(absent)'


def flatten_config(config: Mapping[str, Any]) -> dict[str, str]:
    """Write a config as text by key.

    Args:
        config: Nested dictionaries and lists.

    Returns:
        ``repr`` of each value by its path, e.g. ``model.masking.ratio`` or
        ``param_scheduler.0.end``.
    """
    return dict(_walk(config, ''))


def _walk(node: Any, path: str) -> Iterator[tuple[str, str]]:
    items: list[tuple[Any, Any]] = []
    if isinstance(node, Mapping):
        items = list(node.items())
    # Lists of numbers are one value to a reader.
    elif isinstance(node, (list, tuple)) and any(
        isinstance(item, (Mapping, list, tuple)) for item in node
    ):
        items = list(enumerate(node))
    if not items:
        yield path, repr(node)
    for key, value in items:
        yield from _walk(value, f'{path}.{key}' if path else str(key))


def config_difference(
    old: Mapping[str, str], new: Mapping[str, str], ignored: tuple[str, ...] = ()
) -> list[str]:
    """Compare two flat configs.

    Args:
        old: From :func:`flatten_config`.
        new: From :func:`flatten_config`.
        ignored: First parts of keys to pass over.

    Returns:
        Lines ``key: old -> new`` in the order of the keys.
    """
    return [
        f'{key}: {old.get(key, ABSENT)} -> {new.get(key, ABSENT)}'
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and key.split('.')[0] not in ignored
    ]
