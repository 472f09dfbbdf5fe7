"""The target network: a slow copy of the online network, or that network itself."""

from __future__ import annotations

import copy
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from ..registry import MODELS

__all__ = ['EMATarget', 'SharedTarget', 'copy_missing_target']


@MODELS.register_module()
class EMATarget(nn.Module):
    """Exponential moving average of the online encoder and decoder (section 3.2).

    Its parameters need no gradient, it always runs in eval mode, and it is part of the
    model's state dict. :class:`~videomac.engine.hooks.TargetEMAHook` updates it.

    Args:
        encoder: The online encoder, copied.
        decoder: The online decoder, copied.
    """

    #: Whether gradients reach the weights through what the target reconstructs.
    differentiable = False

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(encoder)
        self.decoder = copy.deepcopy(decoder)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> EMATarget:
        """Stay in eval mode: the target is never trained."""
        return super().train(False)

    @torch.no_grad()
    def update(self, encoder: nn.Module, decoder: nn.Module, momentum: float) -> None:
        """Move towards the online network: ``m * target + (1 - m) * online``.

        Buffers (running statistics of BatchNorm) are copied: they are moving averages
        already, and the statistics a network starts with would linger in an average of
        averages.

        Args:
            encoder: The online encoder.
            decoder: The online decoder.
            momentum: m, in [0, 1]; 0 copies the online network.

        Raises:
            ValueError: If the momentum is out of range.
        """
        if not 0 <= momentum <= 1:
            raise ValueError(f'momentum must be in [0, 1], got {momentum}')
        for own, online in ((self.encoder, encoder), (self.decoder, decoder)):
            mine: list[Tensor] = list(own.parameters())
            theirs: list[Tensor] = list(online.parameters())
            if mine and momentum == 0:
                torch._foreach_copy_(mine, theirs)  # 0 * NaN would stay NaN
            elif mine:
                torch._foreach_mul_(mine, momentum)
                torch._foreach_add_(mine, theirs, alpha=1 - momentum)
            for kept, new in zip(own.buffers(), online.buffers(), strict=True):
                kept.copy_(new)


@MODELS.register_module()
class SharedTarget(nn.Module):
    """The online network in the place of the target: L_t then has a gradient.

    For experiments. Both frames are reconstructed by the same weights, and all three
    losses train them. It has no weights of its own, in the state dict neither, and needs
    no :class:`~videomac.engine.hooks.TargetEMAHook`. For shared weights without a
    gradient, take :class:`EMATarget` and a constant momentum of 0.

    Args:
        encoder: The online encoder.
        decoder: The online decoder.
    """

    differentiable = True

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        # In a tuple they are no modules of this one: every weight has one name.
        self._shared = (encoder, decoder)

    @property
    def encoder(self) -> nn.Module:
        """The online encoder."""
        return self._shared[0]

    @property
    def decoder(self) -> nn.Module:
        """The online decoder."""
        return self._shared[1]

    def update(self, encoder: nn.Module, decoder: nn.Module, momentum: float) -> None:
        """Do nothing: the weights are the online network's."""


def copy_missing_target(
    model: nn.Module, state_dict: dict[str, Any], prefix: str, *_: Any
) -> None:
    """Let weights without a target network, those of FCMAE, say, be those of both.

    A hook before ``load_state_dict`` of a model with an :class:`EMATarget`, which would
    keep its random weights otherwise.

    Args:
        model: It has ``encoder``, ``decoder`` and ``target``.
        state_dict: What is about to be loaded; the keys of the target are added.
        prefix: What the model's keys begin with.
    """
    names = [name.removeprefix(prefix) for name in state_dict if name.startswith(prefix)]
    online = [name for name in names if name.startswith(('encoder.', 'decoder.'))]
    known = any(name.startswith('target.') for name in names)
    if known or not online or not isinstance(model.target, EMATarget):
        return
    for name in online:
        # A tensor of its own, which load_state_dict(assign=True) may keep.
        state_dict[f'{prefix}target.{name}'] = copy.deepcopy(state_dict[prefix + name])
    print_log(
        'the loaded weights have no target network: it starts as a copy of the online '
        'network',
        logger='current',
    )
