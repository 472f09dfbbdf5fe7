"""The encoder in the config of a model."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from mmengine.logging import print_log
from mmengine.model import BaseModel

from ..models.pretraining_variant import dense_class
from .stored_config import harmless, registered, stored_config

__all__ = ['encoder_part', 'is_dense', 'is_wrapped', 'number_of_heads', 'stored_encoder']


def encoder_part(config: Mapping[str, Any]) -> dict[str, Any]:
    """Find the encoder in the config of a model, or take it to be one.

    What makes an encoder of another one, such as ``OutputStride``, is an encoder itself
    and is returned with the one inside.

    Args:
        config: Of an encoder, or of a model that has one under ``encoder``,
            ``backbone`` or ``network``; or a whole config file.

    Raises:
        ValueError: If it is no config of a network.
    """
    for name in ('model', 'encoder', 'backbone', 'network'):
        inner = config.get(name)
        if isinstance(inner, Mapping) and not is_wrapped(config):
            return encoder_part(inner)
    if 'type' not in config:
        raise ValueError(f'the config has no encoder; its keys: {list(config)}')
    return {key: value for key, value in config.items() if key != 'init_cfg'}


def _kind(config: Mapping[str, Any]) -> Any:
    """What builds the network of a config; None if that is not registered."""
    kind = config.get('type')
    return registered(kind) if isinstance(kind, str) else kind


def is_wrapped(config: Mapping[str, Any]) -> bool:
    """Whether a config is of an encoder that is made of another one.

    Whole models have their encoder under the same names; they are mmengine's.
    """
    inner = config.get('encoder', config.get('backbone'))
    kind = _kind(config)
    if kind is None or not isinstance(inner, Mapping):
        return False
    return not (isinstance(kind, type) and issubclass(kind, BaseModel))


def is_dense(config: Mapping[str, Any]) -> bool:
    """Whether an encoder takes whole images, and is no variant that masks them."""
    return dense_class(_kind(config)) is None


def number_of_heads(config: Mapping[str, Any]) -> int | None:
    """Heads of a ViT by its config, which no shape tells; None if that does not say."""
    arch = config.get('arch')
    if isinstance(arch, str):
        arch = getattr(_kind(config), 'arch_zoo', {}).get(arch.lower())
    heads = arch.get('num_heads') if isinstance(arch, Mapping) else None
    return heads if isinstance(heads, int) else None


def stored_encoder(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """Find the config of the encoder in a checkpoint of a training run.

    Args:
        content: What :func:`read_checkpoint` returns.

    Returns:
        The config, without what would load further files; None if there is none that
        can be built.
    """
    try:
        stored = stored_config(content)
        return None if stored is None else dict(harmless(encoder_part(stored)))
    except ValueError as error:  # the shapes may tell as well
        print_log(f'{error}', 'current', logging.DEBUG)
        return None
