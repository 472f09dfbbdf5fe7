"""What differs between the processes of a run, which one checkpoint has to hold for all.

Weights and the optimiser are the same everywhere. Gradients that wait for an optimiser
step (gradient accumulation) are not, nor are running statistics of norms that the
processes do not share, nor what FiniteGuardHook has found in the batches of that step.
"""

from __future__ import annotations

from typing import Any

import torch
from mmengine.dist import gather_object
from torch import nn

from .unwrapped import unwrapped

__all__ = ['gather_states', 'own_state', 'restore_state']

State = dict[str, dict[str, Any]]


def own_state(model: nn.Module) -> State:
    """Copy this process's state to the CPU.

    Args:
        model: The model, wrapped for distributed training or not.

    Returns:
        ``gradients`` that wait for a step, and ``buffers``, both by name.
    """
    module: nn.Module = unwrapped(model)
    gradients = {
        name: parameter.grad.detach().cpu().clone()
        for name, parameter in module.named_parameters()
        # mmengine removes gradients after a step; somebody else may zero them.
        if parameter.grad is not None and parameter.grad.any()
    }
    buffers = {name: value.cpu().clone() for name, value in module.named_buffers()}
    return {'gradients': gradients, 'buffers': buffers}


def gather_states(model: nn.Module, step: dict[str, Any]) -> list[State]:
    """Bring the states of all processes to the first one; all have to call this.

    Args:
        model: The model, wrapped for distributed training or not.
        step: This process's state of a step that waits for batches, empty between steps
            (see ``FiniteGuardHook.step_state``); the state has it under ``step``.

    Returns:
        In the first process a state for each process, whose buffers are those that
        differ from the first one's (which every checkpoint holds); elsewhere nothing.
    """
    own = own_state(model) | {'step': step}
    states: list[State] = gather_object(own, dst=0) or []
    shared = dict(states[0]['buffers']) if states else {}
    for state in states:
        state['buffers'] = {
            name: value
            for name, value in state['buffers'].items()
            if not torch.equal(value, shared[name])
        }
    return states


def restore_state(model: nn.Module, state: State) -> None:
    """Put back what :func:`own_state` returned, after the weights have been loaded.

    Raises:
        KeyError: The model has no parameter or buffer of a name.
    """
    module: nn.Module = unwrapped(model)
    parameters, buffers = dict(module.named_parameters()), dict(module.named_buffers())
    for name, value in state['gradients'].items():
        parameters[name].grad = value.to(parameters[name])
    with torch.no_grad():
        for name, value in state['buffers'].items():
            buffers[name].copy_(value)
