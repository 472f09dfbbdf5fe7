"""Initialisation from a checkpoint that fits, or an error."""

from __future__ import annotations

import logging
from typing import Any

from mmengine.logging import print_log
from mmengine.model import PretrainedInit
from mmengine.model.weight_init import update_init_info
from torch import nn

from ..checkpoints.weights import load_weights
from ..registry import WEIGHT_INITIALIZERS

__all__ = ['StrictPretrainedInit']


@WEIGHT_INITIALIZERS.register_module('Pretrained')
class StrictPretrainedInit(PretrainedInit):
    """What ``init_cfg=dict(type='Pretrained', ...)`` means in configs of videomac.

    mmengine's initialisation of this name only warns when the keys of the checkpoint are
    not those of the network, which then stays random. This one loads every key of the
    network or raises an error. It keeps the name, since networks look for it: a ResNet
    resets the last norm of every block unless it is initialised from ``'Pretrained'``.

    Args:
        checkpoint: Path or address of the weights; None leaves the network as its
            surroundings initialised it (a baseline without pre-training), with a warning.
        prefix: Name of the network in the checkpoint, with or without the last dot:
            ``'encoder'`` for the online and ``'target.encoder'`` for the target network
            of a pre-training run. None: found out.
        map_location: For likeness with mmengine; weights are read on the CPU.
    """

    def __init__(
        self,
        checkpoint: str | None,
        prefix: str | None = None,
        map_location: str = 'cpu',
    ) -> None:
        if prefix and not prefix.endswith('.'):
            prefix += '.'
        super().__init__(checkpoint, prefix, map_location)

    def __call__(self, module: nn.Module) -> None:
        """Load the weights.

        Raises:
            UnusableCheckpointError: If keys or shapes do not fit; it lists them.
        """
        name = type(module).__name__
        if self.checkpoint is None:
            print_log(
                f'NO CHECKPOINT: {name} starts from random weights',
                logger='current',
                level=logging.WARNING,
            )
            return
        load_weights(module, self.checkpoint, self.prefix)
        print_log(f'{name} has the weights of {self.checkpoint}', logger='current')
        noted: Any = getattr(module, '_params_init_info', None)
        if noted is not None:  # mmengine writes down where every parameter comes from
            update_init_info(module, init_info=self._get_init_info())
