"""The encoder in the config of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.model import BaseModel

from .pretraining_variant import dense_class
from .stored_config import harmless, registered, stored_config

__all__ = ['class_of', 'encoder_part', 'is_dense', 'number_of_heads', 'stored_encoder']


def encoder_part(config: Mapping[str, Any]) -> dict[str, Any]:
    """Find the encoder in the config of a model, or take it to be one.

    What makes an encoder of another one, such as ``OutputStride``, is an encoder itself
    and is returned with the one inside.

    Args:
        config: Of an encoder, or of a model that has one under ``encoder``,
            ``backbone`` or ``network``; or a whole config file. Only the outermost type,
            or that of ``model``, is taken for a model if it is not registered.

    Raises:
        ValueError: If it is no config of a network, or of a whole model without encoder.
    """
    return _part(config, outermost=True)


def _part(config: Mapping[str, Any], outermost: bool) -> dict[str, Any]:
    for name in ('model', 'encoder', 'backbone', 'network'):
        inner = config.get(name)
        if isinstance(inner, Mapping) and not _is_encoder(config, outermost):
            return _part(inner, outermost=name == 'model')
    if 'type' not in config or (outermost and _is_model(class_of(config))):
        raise ValueError(f'the config has no encoder; its keys: {list(config)}')
    return {key: value for key, value in config.items() if key != 'init_cfg'}


def class_of(config: Mapping[str, Any]) -> Any:
    """What builds the network of a config; None if that is not registered."""
    kind = config.get('type')
    if not isinstance(kind, str):
        return kind
    found = registered(kind)
    return None if found is None else found[1]


def _is_encoder(config: Mapping[str, Any], outermost: bool) -> bool:
    """Whether a config with another one inside is of an encoder that is made of that.

    Whole models have their encoder under the same names; they are mmengine's.
    """
    if 'type' not in config:
        return False
    kind = class_of(config)
    if kind is None:
        return not outermost
    inner = config.get('encoder', config.get('backbone'))
    return isinstance(inner, Mapping) and not _is_model(kind)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def is_dense(config: Mapping[str, Any]) -> bool:
    """Whether an encoder takes whole images, and is no variant that masks them."""
    return dense_class(class_of(config)) is None


def number_of_heads(config: Mapping[str, Any]) -> int | None:
    """Heads of a ViT by its config, which no shape tells; None if that does not say."""
    arch = config.get('arch')
    if isinstance(arch, str):
        arch = getattr(class_of(config), 'arch_zoo', {}).get(arch.lower())
    heads = arch.get('num_heads') if isinstance(arch, Mapping) else None
    return heads if isinstance(heads, int) else None


def stored_encoder(
    content: Mapping[str, Any], header: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Find the config of the encoder that a checkpoint carries.

    Args:
        content: What :func:`read_checkpoint` returns; a run has its config in it.
        header: What :func:`find_header` returns, which counts first.

    Returns:
        The config, without what would load further files; None if there is none.

    Raises:
        ValueError: If it has a type that is not registered, so that another network would
            have to be built.
    """
    described = header.get('config')
    try:
        if isinstance(described, Mapping):
            found = _part(described, outermost=False)
        else:
            found = encoder_part(stored_config(content) or {})
    except ValueError:  # there is none, or something of another project
        return None
    return dict(harmless(found))
