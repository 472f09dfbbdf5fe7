"""What the parts of a model cost, for tools and tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..models import VideoMAC
from .flops import MultiplyAddCounter, dense_multiply_adds

__all__ = ['Cost', 'costs', 'costs_by_module', 'count_parameters']


@dataclass(frozen=True)
class Cost:
    """What a part of a model costs for one image, or one pair of frames.

    Attributes:
        name: The part.
        parameters: Number of its trainable parameters.
        dense: Multiply-adds on whole images.
        visible: Multiply-adds with masks; None where nothing is masked.
    """

    name: str
    parameters: int
    dense: int
    visible: int | None


def count_parameters(network: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def costs(model: nn.Module, image_size: tuple[int, int] = (224, 224)) -> list[Cost]:
    """Count what a model of a config costs.

    Args:
        model: A :class:`VideoMAC`, or any model that takes images [B, 3, H, W].
        image_size: Height and width in pixels.

    Returns:
        For VideoMAC the encoder and the decoder, for one frame, and the whole training
        step, for one sample: the forward passes of both networks and the backward pass
        of the online one. For another model its forward pass.

    Raises:
        ValueError: The patches of the masks do not fit the image.
    """
    if not isinstance(model, VideoMAC):
        dense = dense_multiply_adds(model, image_size)['Global']
        return [Cost(type(model).__name__, count_parameters(model), dense, None)]
    counters = _count_step(model, image_size)
    forward = {key: counter.by_module for key, counter in counters.items()}
    found = []
    for name in ('encoder', 'decoder'):
        dense, visible = (
            forward[key][f'VideoMAC.{name}'] for key in ('dense', 'visible')
        )
        parameters = count_parameters(getattr(model, name))
        found.append(Cost(name, parameters, dense, visible))
    dense, visible = (
        counters[key].forward + counters[key].backward for key in ('dense', 'visible')
    )
    found.append(Cost('training step', count_parameters(model), dense, visible))
    return found


def costs_by_module(
    model: nn.Module, image_size: tuple[int, int], depth: int
) -> list[Cost]:
    """Count the forward pass of the modules of a model down to a depth.

    Args:
        model: See :func:`costs`; of VideoMAC the modules of encoder and decoder count.
        image_size: Height and width in pixels.
        depth: How many levels below the model; 1 for its children. Lists of modules,
            which compute nothing themselves, are no level.
    """
    dense: Mapping[str, int]
    visible: Mapping[str, int] | None = None
    if isinstance(model, VideoMAC):
        counters = _count_step(model, image_size)
        dense = counters['dense'].by_module
        visible = counters['visible'].by_module
    else:
        dense = dense_multiply_adds(model, image_size)
    found: list[Cost] = []
    prefix, levels = type(model).__name__, {'': 0}
    for name, module in model.named_modules():
        count = dense.get(f'{prefix}.{name}', 0) if name else 0
        level = levels[name.rpartition('.')[0]] + (count > 0)
        levels[name] = level if name else 0
        if count and level <= depth and name.split('.')[0] != 'target':
            seen = None if visible is None else visible[f'{prefix}.{name}']
            found.append(Cost(name, count_parameters(module), count, seen))
    return found


def _count_step(
    model: VideoMAC, image_size: tuple[int, int]
) -> dict[str, MultiplyAddCounter]:
    """Run a training step of one sample up to its losses, and count."""
    value: Tensor = next(model.parameters())
    frames = value.new_zeros(1, 1 if model.target is None else 2, 3, *image_size)
    counters = {
        name: MultiplyAddCounter(name == 'dense') for name in ('dense', 'visible')
    }
    training = model.training
    model.eval()  # statistics stay as they are
    try:
        for counter in counters.values():
            with torch.enable_grad(), counter:
                model(frames, mode='loss')
    finally:
        model.train(training)
    return counters
