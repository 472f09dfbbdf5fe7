"""Multiply-adds of convolutions and linear layers, on whole images and visible patches.

A multiply-add is what most papers, VideoMAC's Table 2 among them, call a FLOP.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.module_tracker import ModuleTracker

from ..models.masking import RandomPatchMasking
from ..sparse import PatchTensor, SparseMap

__all__ = ['MultiplyAddCounter', 'MultiplyAdds', 'dense_multiply_adds', 'multiply_adds']


@dataclass(frozen=True)
class MultiplyAdds:
    """Multiply-adds of one image.

    Attributes:
        dense: On the whole image.
        visible: On the visible patches alone.
    """

    dense: int
    visible: int


class MultiplyAddCounter(TorchFunctionMode):
    """Counts the useful multiply-adds of what runs inside its ``with`` block.

    An output cell of a convolution costs kernel rows * columns * input channels / groups
    for each output channel, as usual also where the kernel reaches into the padding; an
    output row of a linear layer, input channels for each output channel. On sparse maps
    the visible cells count, however the backend computes them: neither halos nor what is
    computed at masked cells and thrown away.

    Args:
        dense: Whether sparse maps count whole, as if every cell were visible.

    Attributes:
        forward: Of the forward passes.
        backward: Of the backward passes that autograd has been told to remember: once
            the forward ones for each of weight and input that needs a gradient.
        by_module: The forward ones under the name of each module that was active
            (``'ConvNeXt.stages.0'``); ``'Global'`` is the sum.
    """

    def __init__(self, dense: bool = False) -> None:
        super().__init__()
        self.dense = dense
        self.forward = 0
        self.backward = 0
        self.by_module: Counter[str] = Counter()
        self._tracker = ModuleTracker()

    def __enter__(self) -> MultiplyAddCounter:
        self._tracker.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *args: Any) -> None:
        super().__exit__(*args)
        self._tracker.__exit__(*args)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run the function and, if it is a convolution or linear layer, count it."""
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if getattr(func, '__name__', '') in ('conv2d', 'linear'):
            x = args[0] if args else kwargs['input']
            weight = args[1] if len(args) > 1 else kwargs['weight']
            self._count(x, weight, out)
        return out

    def _count(self, x: Tensor | SparseMap, weight: Tensor, out: Any) -> None:
        amount = self._positions(out, weight.shape[0]) * weight.numel()
        self.forward += amount
        if torch.is_grad_enabled():
            self.backward += amount * (int(x.requires_grad) + int(weight.requires_grad))
        for name in self._tracker.parents:
            self.by_module[name] += amount

    def _positions(self, out: Tensor | SparseMap, channels: int) -> int:
        """Number of output vectors that were asked for."""
        if isinstance(out, SparseMap) and not self.dense:
            return len(out.grid.index) * out.cells[0] * out.cells[1]
        return math.prod(out.shape) // channels


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[Tensor]:
    """Switch to inference, which leaves statistics alone; gives a value like the input.

    The value is empty, of the type and on the device of the network.
    """
    training = {module: module.training for module in network.modules()}
    parameter = next(network.parameters(), torch.empty(0))
    network.eval()
    try:
        with torch.no_grad():
            yield parameter.new_empty(0)
    finally:
        for module, mode in training.items():
            module.training = mode  # part of a network may be frozen in eval mode


def dense_multiply_adds(
    network: nn.Module, image_size: tuple[int, int] = (224, 224)
) -> dict[str, int]:
    """Count the multiply-adds of a network on one whole image.

    torch's own counter does it, which knows matrix products of every kind.

    Args:
        network: Takes images of shape [1, 3, H, W].
        image_size: Height and width in pixels.

    Returns:
        Multiply-adds by the name of the module (``'ConvNeXt.stages.0'``); ``'Global'``
        is the sum.
    """
    with _evaluating(network) as value, FlopCounterMode(display=False) as counter:
        network(value.new_zeros(1, 3, *image_size))
    by_module = counter.get_flop_counts()
    return {name: sum(ops.values()) // 2 for name, ops in by_module.items()}


def multiply_adds(
    encoder: nn.Module,
    image_size: tuple[int, int] = (224, 224),
    patch_size: int = 32,
    ratio: float = 0.75,
) -> MultiplyAdds:
    """Count the multiply-adds of an encoder's forward pass on one image.

    Args:
        encoder: Any ConvNet of supported operations, in any mode; not changed.
        image_size: Height and width in pixels.
        patch_size: Side of a patch in pixels.
        ratio: Share of the patches that is hidden, in (0, 1).

    Raises:
        UnsupportedOperationError: If the encoder does not run on sparse maps.
        ValueError: If encoder, image and patch do not fit, or the ratio leaves nothing.
    """
    masking = RandomPatchMasking(patch_size, ratio)
    with _evaluating(encoder) as value, MultiplyAddCounter() as counter:
        # Which patches are visible changes nothing; torch's own randomness stays as is.
        source = torch.Generator(value.device).manual_seed(0)
        (grid,) = masking(1, image_size, 1, value.device, source)
        encoder(PatchTensor.from_dense(value.new_zeros(1, 3, *image_size), grid))
    dense = dense_multiply_adds(encoder, image_size)
    return MultiplyAdds(dense=dense['Global'], visible=counter.forward)
