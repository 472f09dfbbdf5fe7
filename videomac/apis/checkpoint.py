"""Encoders from checkpoints of any kind, or from a library by name."""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from ..checkpoints import (
    Conversion,
    choose_config,
    find_header,
    format_of,
    import_state,
    pick_network,
    read_checkpoint,
)
from ..checkpoints.encoder_part import encoder_part, stored_encoder
from ..checkpoints.weights import misfits_when_loaded, refuse_misfits
from ..utils.devices import usable_device
from .build import build_network
from .encoder import Encoder, LoadReport
from .library import load_from_library
from .zoo import model_config

__all__ = ['load_encoder']

SUFFIXES = ('.pth', '.pt', '.safetensors', '.tar', '.ckpt', '.bin', '.pkl')


def load_encoder(
    source: str | os.PathLike[str],
    *,
    format: str = 'auto',
    network: str | None = None,
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    pretrained: bool = True,
    strict: bool = True,
    image_size: int = 224,
    num_heads: int | None = None,
    device: str | torch.device = 'cpu',
) -> Encoder:
    """Load an encoder with its weights.

    Nothing of a file is run: what is no tensor or plain data is refused.

    Args:
        source: A checkpoint: of a training run of ours, of any format that
            :mod:`videomac.checkpoints` knows, ``.pth`` or ``.safetensors``. Or the name
            of a model of timm (``'timm:resnet50'``) or mmpretrain
            (``'mmpretrain:resnet50_8xb32_in1k'``); the prefix may be left out.
        format: Format of the checkpoint; found out by default.
        network: ``'online'`` or ``'target'`` where a checkpoint has both
            [the online one; of DINO and CrOC the teacher].
        config: Of the encoder or of a model that has it, a mapping or the name of a
            config file. Needed for networks other than ConvNeXt, ResNet and ViT whose
            checkpoint does not carry its config, and where the config that it carries
            has types that are not registered.
        pretrained: Whether a model of a library gets its published weights, which are
            fetched from the network, or random ones.
        strict: Whether a tensor of the checkpoint that its format does not know, or one
            of the network that the checkpoint lacks, is an error.
        image_size: Pixels, for VideoMAE, whose files do not tell.
        num_heads: Heads of a ViT [the config's, or as the published networks have].
        device: Where to put it.

    Returns:
        The encoder, in eval mode. ``print(encoder.report)`` says what was used.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file holds code, is damaged, of no known format or does not
            fit, or its config has a type that is not registered; or if there is no model
            of this name, no weights for it, or no such device.
    """
    place = usable_device(device)
    path = Path(source)
    if path.is_file():
        done = _from_file(path, format, network, config, strict, image_size, num_heads)
    elif path.suffix.lower() in SUFFIXES or len(path.parts) > 1:
        raise FileNotFoundError(f"there is no checkpoint '{path}'{_hint(path)}")
    else:
        done = load_from_library(str(source), pretrained)
    print_log(f'{done.report}', 'current')
    if done.report.missing:
        shown = ', '.join(done.report.missing[:5])
        print_log(f'RANDOM, not in the checkpoint: {shown}', 'current', logging.WARNING)
    return done.to(place).eval()


def _hint(path: Path) -> str:
    """Name files beside a missing one."""
    if not path.parent.is_dir():
        return f"; there is no folder '{path.parent}' either"
    names = [each.name for each in path.parent.iterdir() if each.suffix in SUFFIXES]
    close = difflib.get_close_matches(path.name, names)
    return f'. Did you mean: {", ".join(close)}?' if close else ''


def _from_file(
    path: Path,
    format: str,
    network: str | None,
    config: str | os.PathLike[str] | Mapping[str, Any] | None,
    strict: bool,
    image_size: int,
    num_heads: int | None,
) -> Encoder:
    if network not in (None, 'online', 'target'):
        raise ValueError(f"network must be 'online' or 'target', got {network!r}")
    content = read_checkpoint(path)
    state, others = pick_network(content, network)
    header = find_header(path, content)
    imported, found = import_state(state, format_of(header, format), image_size, strict)
    carried = _given(config) or stored_encoder(content, header)
    chosen = choose_config(imported.state, carried, num_heads)
    if chosen is None:
        raise ValueError(
            f"the checkpoint '{path}' is of a network that its tensors do not tell: give "
            'its config, load_encoder(path, config=...)'
        )
    built = build_network(chosen)
    missing = _fill(built, imported.state, path, strict)
    mean, std = found.pixels
    report = _report(path, found.name, built, imported, others, missing)
    pixels = header.get('mean', mean), header.get('std', std)
    return Encoder(built, report, chosen, *pixels)


def _given(
    config: str | os.PathLike[str] | Mapping[str, Any] | None,
) -> dict[str, Any] | None:
    if config is None:
        return None
    mapping: Any = config if isinstance(config, Mapping) else model_config(config)
    return encoder_part(mapping)


def _fill(
    network: Any, state: Mapping[str, Tensor], path: Path, strict: bool
) -> tuple[str, ...]:
    """Load the tensors; return those of the network that are not there."""
    found = misfits_when_loaded(network, state)
    missing = tuple(found['missing'])
    if not strict:
        found = {**found, 'missing': [], 'unexpected': []}
    refuse_misfits(network, found, path)
    network.load_state_dict(dict(state), strict=False)
    if hasattr(network, '_is_init'):
        network._is_init = True  # a model around it will not initialise it again
    return missing


def _report(
    path: Path,
    name: str,
    network: nn.Module,
    imported: Conversion,
    others: Sequence[str],
    missing: tuple[str, ...],
) -> LoadReport:
    rows = imported.rows
    own = network.state_dict()
    used = tuple(row.source for row in rows if row.source and row.target in own)
    unused = [f'{r}' for r in rows if r.source and r.target not in own]
    made = tuple(f'{row}' for row in rows if not row.source)
    return LoadReport(
        str(path),
        name,
        type(network).__name__,
        used,
        (*unused, *others),
        made,
        missing,
    )
