"""Refuses to go on with weights that are not those of the model."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook

from ...checkpoints.files import UnusableCheckpointError
from ...checkpoints.weights import misfits_as_text, misfits_when_loaded
from ...registry import HOOKS
from ..unwrapped import unwrapped

__all__ = ['StrictLoadHook']


@HOOKS.register_module()
class StrictLoadHook(Hook):
    """Make a misfit of ``load_from`` or ``--resume`` an error.

    mmengine loads what fits, warns about the rest, and leaves that random. What the
    network itself makes fit while it loads is no misfit: weights without a target
    network, say, where the model starts it as a copy.
    """

    # Before hooks that change the checkpoint, such as EMAHook.
    priority = 'VERY_HIGH'

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Compare the keys and shapes of the checkpoint with the model's.

        Raises:
            UnusableCheckpointError: If they differ; the message lists them.
        """
        model = unwrapped(runner.model)
        state = checkpoint.get('state_dict', checkpoint)
        if state and all(name.startswith('module.') for name in state):
            state = {key.removeprefix('module.'): value for key, value in state.items()}
        found = misfits_when_loaded(model, state)
        if any(found.values()):
            raise UnusableCheckpointError(
                f'the checkpoint does not fit {type(model).__name__}:\n'
                f'{misfits_as_text(found)}\n'
                'Give one that was trained with this config; for an encoder alone there '
                "is init_cfg=dict(type='Pretrained', checkpoint=...) of the backbone"
            )
