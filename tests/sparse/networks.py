"""Small networks with parameters that matter, for the tests of whole encoders."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable
from typing import Any

import torch
from mmpretrain.models import ConvNeXt, ResNet
from mmpretrain.models.utils import GRN
from torch import Tensor, nn

from videomac.models.encoders import IsotropicConvNeXt, ReleasedConvNeXt, ReleasedResNet
from videomac.sparse import PatchGrid

ARCH = dict(depths=[2, 2, 3, 2], channels=[16, 32, 48, 64])
TINY = dict(depths=[1, 2, 1, 1], channels=[8, 12, 16, 20])

V1: dict[str, Any] = dict(arch=ARCH, gap_before_final_norm=False)
V2 = dict(**V1, use_grn=True, layer_scale_init_value=0.0)
SLIM: dict[str, Any] = dict(base_channels=16, stem_channels=16)

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    'convnext_v1': functools.partial(ConvNeXt, **V1),
    'convnext_v2': functools.partial(ConvNeXt, **V2),
    'convnext_v2_conv': functools.partial(ConvNeXt, **V2, linear_pw_conv=False),
    'resnet18': functools.partial(ResNet, 18, **SLIM),
    'resnet50': functools.partial(ResNet, 50, **SLIM),
    'released_convnext': functools.partial(ReleasedConvNeXt, arch=TINY),
    'released_convnext_batch_grn': functools.partial(
        ReleasedConvNeXt, arch=TINY, batch_grn=True
    ),
    'released_resnet18': functools.partial(ReleasedResNet, 18),
    'released_resnet50': functools.partial(ReleasedResNet, 50),
    'isotropic': functools.partial(IsotropicConvNeXt, depth=3, dim=32),
    'isotropic_batch_grn': functools.partial(
        IsotropicConvNeXt, depth=3, dim=32, batch_grn=True
    ),
}
BATCH_NORM = ('resnet18', 'resnet50')
IMAGES = (2, 3, 96, 64)


def randomise(network: nn.Module) -> nn.Module:
    """Draw all parameters and buffers so that none of them has no effect."""
    generator = torch.Generator().manual_seed(0)

    def normal(value: Tensor) -> Tensor:
        return torch.randn(value.shape, generator=generator)

    value: Tensor
    for module in network.modules():
        for name, value in module.named_parameters(recurse=False):
            if value.dim() > 1:
                value.data = normal(value) / math.sqrt(value[0].numel())
            elif name in ('weight', 'gamma') and not isinstance(module, GRN):
                value.data = 1 + 0.2 * normal(value)
            else:
                value.data = 0.3 * normal(value)
        for name, value in module.named_buffers(recurse=False):
            if name == 'running_mean':
                value.data = 0.2 * normal(value)
            elif name == 'running_var':
                value.data = 0.7 + normal(value).square()
    return network


@functools.cache
def _built(name: str, options: tuple[tuple[str, Any], ...]) -> nn.Module:
    return randomise(NETWORKS[name](**dict(options)))


def build(
    name: str, dtype: torch.dtype = torch.float64, training: bool = True, **options: Any
) -> nn.Module:
    """Make a network; the same parameters every time."""
    made = copy.deepcopy(_built(name, tuple(sorted(options.items())))).to(dtype)
    made.train(training)  # returns nothing in some of mmpretrain's networks
    return made


def images(dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    """Draw a batch of images."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(IMAGES, generator=generator, dtype=torch.float64).to(dtype)


def ragged(patch_size: int = 32, seed: int = 0) -> PatchGrid:
    """Draw a mask with a different number of visible patches in each image."""
    rows, cols = IMAGES[2] // patch_size, IMAGES[3] // patch_size
    generator = torch.Generator().manual_seed(seed)
    order = torch.rand(2, rows * cols, generator=generator).argsort(1)
    half = rows * cols // 2
    visible = order < torch.tensor([[half], [half + 1]])
    return PatchGrid.from_mask(visible.view(2, rows, cols), patch_size)


def gradients_of(network: nn.Module) -> list[Tensor]:
    """Gradients of all parameters."""
    grads = [p.grad for p in network.parameters()]
    assert all(g is not None for g in grads)
    return [g for g in grads if g is not None]


def distance(a: Tensor, b: Tensor) -> float:
    """Largest difference relative to the largest value."""
    return float((a - b).abs().max() / b.abs().max().clamp(min=1e-12))
