"""Mixed precision where there is no GPU."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from torch import nn

from videomac.registry import OPTIM_WRAPPERS

__all__ = ['BFloat16OptimWrapper']


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Run the forward pass under bfloat16 autocast, on the device of the model.

    mmengine's ``AmpOptimWrapper`` demands a GPU. bfloat16 has the range of float32, so
    that the loss needs no scaling; float16 is slow and narrow on CPUs.

    Args:
        **kwargs: What :class:`mmengine.optim.OptimWrapper` takes.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Wrap the forward pass of a training step."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, dtype=torch.bfloat16):
            yield
