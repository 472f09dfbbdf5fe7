"""Measure what the training step of a model asks for, on a sample or two."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..models import VideoMAC
from .flops import MultiplyAddCounter
from .report import count_parameters
from .scaling import Workload

__all__ = ['kept_bytes', 'measure_workload']


def kept_bytes(forward: Callable[[], Tensor]) -> int:
    """Bytes that a forward pass keeps for the backward pass, parameters aside.

    Args:
        forward: Computes something that has a gradient.
    """
    seen: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter) and not (
            tensor._base is not None and isinstance(tensor._base, nn.Parameter)
        ):
            storage = tensor.untyped_storage()
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = forward()
    del out
    return sum(seen.values())


def measure_workload(
    model: VideoMAC, image_size: tuple[int, int] = (224, 224), amp: bool = False
) -> Workload:
    """Measure the training step of a model.

    It computes the losses of one random sample and of two, which takes seconds on a
    CPU. Multiply-adds that are repeated by activation checkpointing do not count; what
    it saves in memory does.

    Args:
        model: The model, in any mode; not changed.
        image_size: Height and width in pixels.
        amp: Whether to keep activations in bfloat16, which take as much memory as
            those in float16.

    Raises:
        ValueError: The patches of the masks do not fit the image.
    """
    trained = copy.deepcopy(model).train()
    device = next(trained.parameters()).device
    frames = torch.zeros(
        2, 1 if model.target is None else 2, 3, *image_size, device=device
    )

    def loss(samples: int) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=amp):
            found = trained(frames[:samples], mode='loss').values()
        return torch.stack([each.float() for each in found]).sum()

    with torch.random.fork_rng([device] if device.type == 'cuda' else []):
        one = kept_bytes(lambda: loss(1))
        with MultiplyAddCounter() as counter:
            two = kept_bytes(lambda: loss(2))
    work = counter.forward + counter.backward
    return Workload(
        work=work / 2,
        backward_share=counter.backward / work,
        trainable=count_parameters(model),
        parameters=sum(p.numel() for p in model.parameters()),
        activations=two - one,
        copies=max(0, 2 * one - two),
    )
