"""Encoders by their names in timm and mmpretrain."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from torch import nn

from ..checkpoints.weights import load_weights
from ..datasets.propagation_base import IMAGENET_MEAN, IMAGENET_STD
from .build import build_network
from .encoder import Encoder, LoadReport
from .zoo import list_models

__all__ = ['load_from_library', 'suggest']

TIMM, MMPRETRAIN = 'timm', 'mmpretrain'


def load_from_library(name: str, pretrained: bool) -> Encoder:
    """Build a model of a library.

    Args:
        name: Its name there, maybe after ``timm:`` or ``mmpretrain:``.
        pretrained: Whether to fetch its weights.

    Raises:
        ImportError: If the library is timm, which is optional, and is not installed.
        ValueError: If there is no such model, or no weights, or they cannot be fetched.
    """
    library, _, model = name.rpartition(':')
    if library not in ('', TIMM, MMPRETRAIN):
        raise ValueError(
            f"there is no library '{library}' to load from; there are timm: and "
            'mmpretrain:, and files'
        )
    timm = _import_timm()
    if library == TIMM and timm is None:
        raise ImportError(f"'{name}' needs timm: pip install timm")
    if library in ('', TIMM) and timm is not None and timm.is_model(model):
        return _from_timm(model, pretrained)
    if library in ('', MMPRETRAIN) and model in _mmpretrain_names():
        return _from_mmpretrain(model, pretrained)
    if not library and list_models(model):
        raise ValueError(
            f"'{model}' is a config and has no weights: get_model('{model}') builds its "
            'model; load_encoder takes the checkpoint of a training run'
        )
    names = [] if library == MMPRETRAIN or timm is None else timm.list_models()
    names = [*names, *([] if library == TIMM else _mmpretrain_names())]
    where = library or 'file here, and timm and mmpretrain have no model'
    place = f'{where} has no model' if library else f'there is no {where}'
    also = '' if library or timm else '; timm is not installed (pip install timm)'
    raise ValueError(f"{place} of the name '{model}'{suggest(model, names)}{also}")


def suggest(name: str, names: Sequence[str]) -> str:
    """Say which names are close to one that is not there, if any are."""
    close = difflib.get_close_matches(name, names, n=4)
    return f'. Did you mean: {", ".join(close)}?' if close else ''


def _import_timm() -> Any:
    """The package, or None if it is not installed."""
    try:
        import timm
    except ImportError:
        return None
    return timm


def _mmpretrain_names() -> list[str]:
    from mmpretrain import list_models as list_theirs

    return list(list_theirs())


def _from_timm(name: str, pretrained: bool) -> Encoder:
    config: dict[str, Any] = dict(type='mmpretrain.TIMMBackbone', model_name=name)
    sized = name.startswith(('vit', 'deit'))
    try:
        try:
            more = dict(dynamic_img_size=True) if sized else {}
            built = build_network(config | dict(pretrained=pretrained) | more)
        except TypeError:  # a transformer that only takes images of one size
            more = {}
            built = build_network(config | dict(pretrained=pretrained))
    except (OSError, RuntimeError, ValueError) as error:
        raise ValueError(_no_weights(f'timm:{name}', error)) from error
    inner: Any = built.timm_model
    about = getattr(inner, 'pretrained_cfg', None) or {}
    mean, std = about.get('mean', IMAGENET_MEAN), about.get('std', IMAGENET_STD)
    pixels = [255 * each for each in mean], [255 * each for each in std]
    return Encoder(
        built, _report(f'timm:{name}', built, pretrained), config | more, *pixels
    )


def _from_mmpretrain(name: str, pretrained: bool) -> Encoder:
    from mmpretrain.apis.model import ModelHub

    about = ModelHub.get(name)
    model = about.config.model
    if not isinstance(model.get('backbone'), dict):
        raise ValueError(f"'mmpretrain:{name}' has no backbone to take as an encoder")
    config = {'_scope_': MMPRETRAIN, **model.backbone}
    config.pop('init_cfg', None)
    built: Any = build_network(config)
    if hasattr(built, 'out_type'):
        built.out_type = config['out_type'] = 'featmap'  # of a ViT
    if pretrained:
        if about.weights is None:
            raise ValueError(
                f"mmpretrain publishes no weights for '{name}'; pretrained=False leaves "
                'them random'
            )
        try:
            load_weights(built, about.weights, 'backbone.')
        except OSError as error:
            raise ValueError(_no_weights(f'mmpretrain:{name}', error)) from error
    pixels = about.config.get('data_preprocessor') or model.get('data_preprocessor') or {}
    mean, std = (
        [255 * each for each in values] for values in (IMAGENET_MEAN, IMAGENET_STD)
    )
    report = _report(f'mmpretrain:{name}', built, pretrained)
    return Encoder(
        built, report, config, pixels.get('mean', mean), pixels.get('std', std)
    )


def _no_weights(name: str, error: Exception) -> str:
    reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip('. ')
    return (
        f"the weights of '{name}' cannot be had: {reason}. Without access to the network "
        'fetch them elsewhere and give load_encoder the file; pretrained=False leaves '
        'them random'
    )


def _report(name: str, network: nn.Module, pretrained: bool) -> LoadReport:
    names = tuple(network.state_dict())
    kind = type(network).__name__
    if pretrained:
        return LoadReport(name, 'library', kind, names)
    return LoadReport(name, 'library', kind, (), missing=names)
