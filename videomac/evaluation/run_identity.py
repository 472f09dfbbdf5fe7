"""What predictions depend on, so that those of different runs are never mixed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from videomac.checkpoints.stored_config import LOADING
from videomac.datasets.input_settings import InputSettings
from videomac.models.random_weights import untrained
from videomac.version import __version__

__all__ = ['run_identity']

#: Settings that change no prediction: how far, how safely and in how much memory.
NEUTRAL = ('dataset.videos', 'dataset.check', 'model.memory_budget')


def run_identity(
    model: Mapping[str, Any],
    dataset: Mapping[str, Any],
    checkpoint: str | None,
    seed: int,
) -> dict[str, Any]:
    """Describe a run by all that its predictions depend on.

    Where weights lie does not count, their content does, be they those of the checkpoint
    or of files that the config of the model names.

    Args:
        model: Config of the model.
        dataset: Config of the data set.
        checkpoint: Path or address of the weights; None if they are those that the
            config of the model names, or random.
        seed: Seed of random weights.

    Returns:
        Settings by their dotted names, as JSON has them.

    Raises:
        FileNotFoundError: There is no such checkpoint.
    """
    # Configs need not say it, and its default has changed.
    rounds = {'round_resized': InputSettings.of(dataset).round_resized}
    settings = _flatten({'model': model, 'dataset': {**rounds, **dataset}})
    for name in (*NEUTRAL, 'model.backbone.checkpoint'):
        settings.pop(name, None)
    identity = {name: _by_content(value, name) for name, value in settings.items()}
    backbone = {**model.get('backbone', {}), 'checkpoint': None}
    own = 'none' if untrained(backbone) == backbone else 'of the config'
    root = Path(str(dataset.get('data_root', '')))
    identity['dataset.data_root'] = str(root.resolve())
    identity['checkpoint'] = (
        f'{own}, seed {seed}' if checkpoint is None else _fingerprint(checkpoint)
    )
    identity['videomac'] = __version__
    return identity


def _flatten(config: Any, name: str = '') -> dict[str, Any]:
    """Lay nested dicts out flat, with dotted names."""
    if not isinstance(config, Mapping) or not config:
        return {name: config}
    flat: dict[str, Any] = {}
    for key, value in config.items():
        flat |= _flatten(value, f'{name}.{key}' if name else str(key))
    return flat


def _by_content(value: Any, name: str) -> Any:
    """Copy a setting, with the content of weights in the place of their paths."""
    if isinstance(value, Mapping):
        return {key: _by_content(each, key) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_by_content(each, name) for each in value]
    names = name.rpartition('.')[2] in LOADING and isinstance(value, str)
    return _fingerprint(value) if names and Path(value).is_file() else value


def _fingerprint(checkpoint: str) -> str:
    """Hash the content of a checkpoint; an address stands for what it leads to."""
    path = Path(checkpoint)
    if '://' in checkpoint:
        return checkpoint
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint '{checkpoint}'")
    content = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(2**20):
            content.update(block)
    return f'sha256 {content.hexdigest()}'
