"""The config that a training run left in its checkpoint, read without running it."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from ..registry import MODELS

__all__ = ['harmless', 'parse_config', 'registered', 'stored_config']

#: What names files or addresses to load; a checkpoint has the weights itself.
LOADING = ('init_cfg', 'pretrained', 'checkpoint', 'checkpoint_path', 'weights')

#: What to do where the config of a file cannot be used.
GIVE_IT = 'give the config yourself (config= or --config)'


def parse_config(text: str) -> dict[str, Any]:
    """Read the plain values of a config, as mmengine writes it out.

    ``Config.fromstring`` would run the text. Here only literals, lists, tuples, mappings
    and calls of ``dict`` count; a variable with another value is left out.

    Args:
        text: Assignments in Python.

    Returns:
        Values by the names of the variables.

    Raises:
        ValueError: If the text is no Python.
    """
    try:
        statements = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(
            f'the config in the checkpoint cannot be read: {error}'
        ) from None
    values = {}
    for statement in statements:
        if isinstance(statement, ast.Assign) and isinstance(
            statement.targets[0], ast.Name
        ):
            try:
                values[statement.targets[0].id] = _value(statement.value)
            except (ValueError, RecursionError):
                continue
    return values


def _value(node: ast.expr) -> Any:
    """Evaluate a plain expression."""
    match node:
        case ast.Call(func=ast.Name(id='dict'), args=[]):
            pairs = [(each.arg, each.value) for each in node.keywords]
            if all(name is not None for name, _ in pairs):
                return {name: _value(value) for name, value in pairs}
        case ast.Dict() if None not in node.keys:
            keys = [_value(key) for key in node.keys if key is not None]
            return dict(zip(keys, map(_value, node.values), strict=True))
        case ast.List():
            return [_value(each) for each in node.elts]
        case ast.Tuple():
            return tuple(_value(each) for each in node.elts)
        case _:
            return ast.literal_eval(node)
    raise ValueError('not a plain value')


def stored_config(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """Find the config in the content of a checkpoint of mmengine.

    Args:
        content: What :func:`read_checkpoint` returns.

    Returns:
        Its plain values; None if there is no config.

    Raises:
        ValueError: If the config is no Python.
    """
    meta = content.get('meta')
    text = meta.get('cfg') if isinstance(meta, Mapping) else None
    return parse_config(text) if isinstance(text, str) else None


def harmless(config: Any) -> Any:
    """Copy the config of a network from a file, so that building it runs no foreign code.

    mmengine imports and calls whatever a ``type`` with dots names, so that only types
    of the registry are let through. What would load further files is taken out.

    Args:
        config: Config of a network, or a part of it.

    Returns:
        A copy in plain dicts and lists, with names of the registry in the place of import
        paths.

    Raises:
        ValueError: If a type is not registered, or a name stands for an address.
    """
    if isinstance(config, Mapping):
        name = config.get('model_name', '')
        if not isinstance(name, str) or not re.fullmatch(r'[\w.-]*', name):
            raise ValueError(
                f'the config in the file names a model {name!r}, which may be an '
                f'address: {GIVE_IT}'
            )
        copy = {key: harmless(v) for key, v in config.items() if key not in LOADING}
        kind = config.get('type')
        return copy | {'type': _known_name(kind)} if isinstance(kind, str) else copy
    if isinstance(config, list | tuple):
        return type(config)(harmless(each) for each in config)
    return config


def registered(kind: str) -> tuple[str, Any] | None:
    """Find what our registry of models, or one above it, has of a type.

    Nothing is imported by its name.

    Args:
        kind: A name, with or without its scope; or the import path of what is
            registered, which is what configs in pure Python leave.

    Returns:
        The name to build it by, which is ``kind`` unless that is a path, and the class or
        function; None if there is nothing.
    """
    scope, _, name = kind.rpartition('.')
    nodes = list(_nodes())
    for node in nodes:
        if scope in ('', node.scope) and name in node.module_dict:
            return kind, node.module_dict[name]
    module = sys.modules.get(scope)
    meant = getattr(module, '__dict__', {}).get(name)
    for node in nodes:
        for known, each in node.module_dict.items():
            if meant is not None and each is meant:
                return f'{node.scope}.{known}', each
    return None


def _nodes() -> Iterator[Any]:
    """Our registry of models and those above it, filled."""
    node: Any = MODELS
    while node is not None:
        node.import_from_location()
        yield node
        node = node.parent


def _known_name(kind: str) -> str:
    """The name by which a type is built."""
    found = registered(kind)
    if found is None:
        raise ValueError(
            f"the config in the file wants a '{kind}', which is not registered: import "
            f'the module that defines it, or {GIVE_IT}'
        )
    return found[0]
