"""YAML files that anyone may have written: plain data, of bounded size and depth."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

__all__ = ['YamlFileError', 'read_yaml']

#: PyYAML takes ten seconds for as much.
MAX_BYTES = 2**20
MAX_DEPTH = 20
#: Beside its own errors PyYAML lets those of Python pass, such as those of a date with a
#: 13th month (ValueError), ``!!bool x`` (KeyError), ``!!int ''`` (IndexError).
FAILURES = (
    yaml.YAMLError,
    *(ValueError, LookupError, TypeError, AttributeError, ArithmeticError),
    RecursionError,
)


class YamlFileError(ValueError):
    """A file that is not the YAML it should be."""


class _PlainLoader(yaml.SafeLoader):
    """Data as it stands: no classes, no aliases, no depths.

    A few lines of aliases of aliases stand for more values than any memory holds.
    """

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Make a value, if it is neither an alias nor too deep inside others."""
        event = self.peek_event()
        wrong = None
        if isinstance(event, yaml.AliasEvent):
            wrong = 'has an alias; write the value out'
        elif self.depth >= MAX_DEPTH:
            wrong = f'is nested more than {MAX_DEPTH} deep'
        if wrong is not None:
            mark: Any = event.start_mark
            raise yaml.composer.ComposerError(None, None, wrong, mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def read_yaml(path: Path) -> Any:
    """Read a file of one YAML document in UTF-8.

    Args:
        path: The file, of up to 1 MiB. It must not use aliases, nor nest more than 20
            lists and mappings.

    Returns:
        Lists, mappings and plain values, not to be changed: the same content is read
        once.

    Raises:
        YamlFileError: It cannot be read, or is something else; names path and line.
    """
    try:
        with open(path, 'rb') as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise YamlFileError(f"'{path}' cannot be read: {error}") from error
    if len(content) > MAX_BYTES:
        raise YamlFileError(
            f"'{path}' is larger than 1 MiB, too large to be read as YAML"
        )
    return _parse(path, content)


@lru_cache(maxsize=64)
def _parse(path: Path, content: bytes) -> Any:
    try:
        text = content.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        line = content.count(b'\n', 0, error.start) + 1
        raise YamlFileError(
            f"'{path}', line {line}, is not UTF-8 ({error.reason}); save it as UTF-8"
        ) from error
    loader = None
    try:
        loader = _PlainLoader(text)
        return loader.get_single_data()
    except FAILURES as error:
        raise YamlFileError(f"'{path}' is no YAML that can be read: {error}") from error
    finally:
        if loader is not None:
            loader.dispose()
