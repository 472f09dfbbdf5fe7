"""The models that ``model-index.yml`` and its metafiles list."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .paths import configs_root, package_file
from .yaml_files import YamlFileError, read_yaml

__all__ = ['IndexedModel', 'ModelIndexError', 'indexed_models', 'metafile_models']

INDEX = 'model-index.yml'
REMEDY = 'mend the file, or install videomac again'


class ModelIndexError(ValueError):
    """An index or a metafile that cannot be used."""


@dataclass(frozen=True)
class IndexedModel:
    """A model of a metafile.

    Attributes:
        name: Its name.
        config: Its config, a file below ``configs/``.
        weights: Path or address of its checkpoint, if that is published.
        metadata: What else the metafile says of it.
    """

    name: str
    config: Path
    weights: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


def indexed_models() -> list[IndexedModel]:
    """Read the models of all metafiles that ``model-index.yml`` imports.

    Raises:
        FileNotFoundError: The installation has no ``model-index.yml``.
        ModelIndexError: The index or a metafile cannot be used; names file, key and
            value.
    """
    path = package_file(INDEX)
    models = []
    for number, name in enumerate(_list(path, _read(path), 'Import')):
        where = f'Import[{number}]'
        if not isinstance(name, str):
            raise _wrong(path, where, name, 'must be the path of a metafile')
        try:
            metafile = package_file(name)
            found = metafile.is_file()
        except (ValueError, OSError) as error:  # outside, missing, or too long a name
            raise _wrong(path, where, name, str(error)) from error
        if not found:
            raise _wrong(path, where, name, 'must be the path of a metafile')
        models += metafile_models(metafile)
    return models


def metafile_models(path: Path) -> list[IndexedModel]:
    """Read the models of a metafile.

    Raises:
        ModelIndexError: It cannot be used; names file, key and value.
    """
    return [
        _model(path, f'Models[{number}]', entry)
        for number, entry in enumerate(_list(path, _read(path), 'Models'))
    ]


def _read(path: Path) -> Any:
    try:
        return read_yaml(path)
    except YamlFileError as error:
        raise ModelIndexError(f'{error}; {REMEDY}') from error


def _list(path: Path, content: Any, key: str) -> list[Any]:
    """The list under a key; an empty one if the key is not there."""
    if not isinstance(content, dict):
        raise ModelIndexError(
            f"'{path}' must be a mapping, such as '{key}: [...]', is "
            f'{reprlib.repr(content)}; {REMEDY}'
        )
    found = content.get(key)
    if found is not None and not isinstance(found, list):
        raise _wrong(path, key, found, 'must be a list')
    return found or []


def _model(path: Path, where: str, entry: Any) -> IndexedModel:
    if not isinstance(entry, dict):
        raise _wrong(path, where, entry, 'must be a mapping with Name and Config')
    for key in ('Name', 'Config'):
        value = entry.get(key)
        if not isinstance(value, str) or not value or not value.isprintable():
            raise _wrong(path, f'{where}.{key}', value, 'must be a printable text')
    weights, metadata = entry.get('Weights'), entry.get('Metadata')
    if weights is not None and not isinstance(weights, str):
        raise _wrong(path, f'{where}.Weights', weights, 'must be an address or a path')
    if metadata is not None and not isinstance(metadata, dict):
        raise _wrong(path, f'{where}.Metadata', metadata, 'must be a mapping')
    config = _config(entry['Config'])
    if config is None:
        raise _wrong(
            path,
            f'{where}.Config',
            entry['Config'],
            "must be a config of the toolbox, such as 'configs/videomac/demo.py'",
        )
    return IndexedModel(entry['Name'], config, weights, metadata or {})


def _config(name: str) -> Path | None:
    """The config of this path, if it is one below ``configs/``.

    Configs are run as code, so nothing else may pass for one.
    """
    path = Path(name)
    inside = path.parts[:1] == ('configs',) and '..' not in path.parts
    try:
        config = configs_root().joinpath(*path.parts[1:])
        found = inside and config.suffix == '.py' and config.is_file()
    except (OSError, ValueError):  # too long a name, a character that none has
        return None
    return config if found else None


def _wrong(path: Path, where: str, value: Any, why: str) -> ModelIndexError:
    return ModelIndexError(f"'{path}': {where} is {reprlib.repr(value)}: {why}; {REMEDY}")
