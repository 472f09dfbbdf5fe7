"""What predictions depend on, so that those of different runs are never mixed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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

    Where the checkpoint lies does not count, its content does.

    Args:
        model: Config of the model.
        dataset: Config of the data set.
        checkpoint: Path or address of the weights; None if they are random.
        seed: Seed of random weights.

    Returns:
        Settings by their dotted names, as JSON has them.

    Raises:
        FileNotFoundError: There is no such checkpoint.
    """
    identity = _flatten({'model': model, 'dataset': dataset})
    for name in (*NEUTRAL, 'model.backbone.checkpoint'):
        identity.pop(name, None)
    root = Path(str(dataset.get('data_root', '')))
    identity['dataset.data_root'] = str(root.resolve())
    identity['checkpoint'] = (
        f'none, seed {seed}' if checkpoint is None else _fingerprint(checkpoint)
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
