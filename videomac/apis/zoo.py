"""The models of the toolbox by the names of their configs."""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor, nn

from ..checkpoints import read_checkpoint
from ..checkpoints.released_layout import convert_released
from ..checkpoints.weights import misfits_when_loaded, read_state, refuse_misfits
from ..models.propagation.settings import drop_old_preset
from ..utils import CONFIG_SUFFIXES, configs_root, find_config
from ..utils.devices import usable_device
from ..utils.model_index import IndexedModel, indexed_models
from ..utils.options import change_config
from ..utils.quiet import quiet_log
from ..utils.read_config import read_config
from .build import build_network

__all__ = ['fill_model', 'get_model', 'list_models', 'model_config']


@dataclass(frozen=True)
class _Entry:
    """A model: its config, and where its weights are, if they are published."""

    config: Path
    weights: str | None = None


def _entries() -> dict[str, _Entry]:
    """All models by name."""
    root = configs_root()
    files = [
        path
        for path in sorted(root.rglob('*.py'))
        if not any(part.startswith(('_', '.')) for part in path.relative_to(root).parts)
    ]
    count = Counter(path.stem for path in files)
    entries = {}
    for path in files:
        inside = path.relative_to(root).with_suffix('').as_posix()
        entries[path.stem if count[path.stem] == 1 else inside] = _Entry(path)
    for model in indexed_models():
        _add(entries, model)
    return dict(sorted(entries.items()))


def _add(entries: dict[str, _Entry], model: IndexedModel) -> None:
    """Add a model of a metafile, under its own name and that of its config."""
    entries[model.name] = _Entry(model.config, model.weights)
    if model.weights is None:
        return
    for name, entry in list(entries.items()):
        if entry.config == model.config and entry.weights is None:
            entries[name] = replace(entry, weights=model.weights)


def _matches(name: str, entry: _Entry, pattern: str) -> bool:
    """Whether a model has a name, a path, or a name after its method, like this."""
    path = entry.config.relative_to(configs_root()).with_suffix('').as_posix()
    names = {name, path, name.partition('_')[2], entry.config.stem.partition('_')[2]}
    return any(fnmatchcase(each, pattern) for each in names)


def list_models(pattern: str = '*') -> list[str]:
    """List the models of the toolbox.

    Args:
        pattern: Shell pattern for names, with or without the method that they begin
            with (``'convnextv2*'``), or for paths (``'finetune/*'``).

    Returns:
        Names for :func:`get_model`, sorted.

    Raises:
        ModelIndexError: ``model-index.yml`` or a metafile is damaged; a ValueError that
            names file, key and value.
    """
    return [name for name, entry in _entries().items() if _matches(name, entry, pattern)]


def model_config(name: str | os.PathLike[str]) -> Config:
    """Read the config of a model.

    Args:
        name: As :func:`list_models` gives it, or the path of a config file.

    Raises:
        FileNotFoundError: If there is no such file; names similar ones.
        ValueError: If there is no such model, naming similar ones, or the file is no
            config.
    """
    return read_config(_find(name).config)


def _find(name: str | os.PathLike[str]) -> _Entry:
    text = os.fspath(name)
    is_config = Path(text).suffix in CONFIG_SUFFIXES
    if is_config and Path(text).is_file():
        return _Entry(Path(text))
    entries = _entries()
    inside = text.removeprefix('configs/').removesuffix('.py')
    for known, entry in entries.items():
        path = entry.config.relative_to(configs_root()).with_suffix('').as_posix()
        if inside in (known, path):
            return entry
    if is_config and len(Path(text).parts) > 1:
        return _Entry(find_config(text))
    short = {known.partition('_')[2] or known: known for known in entries}
    close = difflib.get_close_matches(inside, entries, n=3)
    close += [short[each] for each in difflib.get_close_matches(inside, short, n=3)]
    close += list_models(f'*{inside}*')[:3]
    hint = ', '.join(dict.fromkeys(close))
    raise ValueError(
        f"there is no model '{text}'; list_models() has all names"
        + (f'. Did you mean: {hint}?' if hint else '')
    )


def get_model(
    name: str | os.PathLike[str],
    pretrained: bool | str | os.PathLike[str] = False,
    *,
    options: Mapping[str, Any] | None = None,
    device: str | torch.device = 'cpu',
) -> nn.Module:
    """Build the model of a config.

    Args:
        name: Of :func:`list_models`, or the path of a config file.
        pretrained: A checkpoint of the whole model (of the encoder for the models of
            ``propagation``), or True for the published weights; False for random ones.
        options: Changes of the config, such as ``{'model.masking.ratio': 0.9}``.
        device: Where to put it.

    Returns:
        The model, in eval mode.

    Raises:
        FileNotFoundError: If there is no such config or checkpoint.
        ValueError: If there is no such model or device, the file is no config, an option
            would change nothing, no weights are published, or they do not fit.
    """
    usable_device(device)  # raises now rather than after loading
    entry = _find(name)
    config = read_config(entry.config)
    if not isinstance(config.get('model'), dict):
        raise ValueError(f"the config '{entry.config}' has no model")
    drop_old_preset(config.model, options or {})
    change_config(config, options)
    model: Any = config.model
    checkpoint = None if isinstance(pretrained, bool) else os.fspath(pretrained)
    if pretrained is True:
        checkpoint = entry.weights
        if checkpoint is None:
            raise ValueError(
                f"no weights are published for '{name}': train it, and give the path of "
                "the checkpoint, get_model(name, pretrained='epoch_100.pth')"
            )
    if model.get('type') == 'LabelPropagator':
        if checkpoint is not None:
            model['backbone']['checkpoint'] = checkpoint
        with quiet_log():  # mmengine reports every parameter
            return build_network(model).to(device).eval()
    return fill_model(_without_loading(model), checkpoint).to(device).eval()


def _without_loading(model: Any) -> Any:
    """Leave out the checkpoint that training starts from."""
    backbone = model.get('backbone')
    if isinstance(backbone, dict):
        init = backbone.get('init_cfg')
        if isinstance(init, dict) and init.get('type') == 'Pretrained':
            backbone.pop('init_cfg')
    return model


def fill_model(config: Any, checkpoint: str | None) -> nn.Module:
    """Build a model with random weights or all weights of a checkpoint.

    Args:
        config: Its config, whose type is a registered name.
        checkpoint: Path or address of a checkpoint of the whole model, of ours or of
            the released code; None for the random weights that the config asks for.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If it cannot be used, or does not fit the model.
    """
    network = build_network(config)
    if checkpoint is None:
        initialise: Any = getattr(network, 'init_weights', None)
        if initialise is not None:
            with quiet_log():  # mmengine reports every parameter
                initialise()
        return network
    state = _read(checkpoint)
    refuse_misfits(network, misfits_when_loaded(network, state), checkpoint)
    network.load_state_dict(state)
    return network


def _read(checkpoint: str) -> dict[str, Tensor]:
    """Read the state dict of a whole model, of ours or of the released code."""
    if checkpoint.startswith(('http://', 'https://')):
        return read_state(checkpoint)
    content = read_checkpoint(checkpoint)
    if 'online_without_ddp' in content:
        return convert_released(content)
    state = content.get('state_dict', content)
    return {key: value for key, value in state.items() if isinstance(value, Tensor)}
