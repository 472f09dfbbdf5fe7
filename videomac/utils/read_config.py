"""Configs as they are written, whether they inherit by a path or from a package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config

from .paths import find_config

__all__ = ['read_config']

#: What mmengine adds to dicts of a package's configs: where to look names up first.
SCOPE = '_scope_'
#: Dicts that name a function; all else in them are its arguments.
FUNCTIONS = ('collate_fn', 'worker_init_fn')


def read_config(config: str | Path) -> Config:
    """Read a config, and leave out what inheriting from a package adds to it.

    ``_base_ = 'videomac::videomac/demo.py'`` gives the dicts of that config a scope.
    mmengine hands it to functions as an argument, which they do not take; in other
    dicts it says nothing if it is the config's own ``default_scope``.

    Args:
        config: A path, or a path below the toolbox's ``configs``.

    Returns:
        The config; the same as if it had inherited by the path of the base.

    Raises:
        FileNotFoundError: There is no such config; names similar ones.
        ValueError: The file is no config.
    """
    path = find_config(config)
    try:
        cfg = Config.fromfile(path)
    except OSError:  # says which file, a base for example
        raise
    except Exception as error:  # whatever the code of a config raises
        text = ' '.join(f'{type(error).__name__}: {error}'.split())
        raise ValueError(
            f"'{path}' cannot be read as a config, which gives names to values: {text}"
        ) from error
    for key in cfg:
        _drop_scope(cfg[key], cfg.get('default_scope'))
    return cfg


def _drop_scope(node: Any, default: str | None, function: bool = False) -> None:
    """Drop the scope of functions, and everywhere that which is the default."""
    if isinstance(node, dict):
        if function or node.get(SCOPE) == default:
            node.pop(SCOPE, None)
        # Not `node.items()`, which imports what a config in pure Python names.
        for key, value in dict.items(node):
            _drop_scope(value, default, key in FUNCTIONS)
    elif isinstance(node, list | tuple):
        for value in node:
            _drop_scope(value, default)
