"""What the encoders of the rivals' configs cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from mmpretrain.models import MAEViT
from mmpretrain.models.utils.sparse_modules import SparseHelper
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ..models.rivals import MaskedViT
from ..registry import MODELS

__all__ = ['is_rival', 'rival_cost']

#: The encoders, by their types in a config.
TYPES = ('MaskedViT', 'mmpretrain.MAEViT', 'mmpretrain.SparseResNet')


def is_rival(model: Mapping[str, Any]) -> bool:
    """Whether the model of a config has an encoder whose cost is counted here."""
    return (model.get('encoder') or model.get('backbone') or {}).get('type') in TYPES


def rival_cost(model: Mapping[str, Any], size: int) -> tuple[int, int, int | None]:
    """Count the parameters and the multiply-adds of a rival's encoder.

    What runs is counted, as torch does: a ViT embeds all patches before it leaves out
    the masked ones, and mmpretrain's SparK computes whole images and masks them.

    Args:
        model: Of a config for which :func:`is_rival` holds.
        size: Height and width of an image in pixels.

    Returns:
        Parameters, fixed position embeddings included; multiply-adds on a whole image;
        those on one with masks, None where they are the same.
    """
    config = model.get('encoder') or model['backbone']
    encoder: nn.Module = MODELS.build(config)
    encoder.eval()  # not chained: mmpretrain's ResNet returns nothing
    image = torch.zeros(1, 3, size, size)
    masked: Callable[[], Any] | None = None
    if isinstance(encoder, MaskedViT):
        masking = MODELS.build(model['masking'])
        source = torch.Generator().manual_seed(0)  # leaves torch's own as it is
        (grid,) = masking(1, (size, size), 1, image.device, source)
        whole, masked = (
            partial(encoder.encode, image),
            partial(encoder.encode, image, grid),
        )
    elif isinstance(encoder, MAEViT):
        whole, masked = partial(encoder, image, None), partial(encoder, image)
    else:
        whole = partial(_with_all_cells, encoder, image, model['downsample_raito'])
    parameters = sum(parameter.numel() for parameter in encoder.parameters())
    with torch.random.fork_rng([]):
        visible = None if masked is None else _count(masked)
        return parameters, _count(whole), visible


def _with_all_cells(encoder: nn.Module, image: Tensor, stride: int) -> Any:
    """Run an encoder of SparK, which takes its mask from a variable of the class."""
    before = SparseHelper._cur_active
    side = image.shape[-1] // stride
    SparseHelper._cur_active = torch.ones(1, 1, side, side, dtype=torch.bool)
    try:
        return encoder(image)
    finally:
        SparseHelper._cur_active = before


def _count(run: Callable[[], Any]) -> int:
    """Multiply-adds of a call."""
    # The counter knows the matrix products that attention is made of.
    with (
        torch.no_grad(),
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
    ):
        run()
    return counter.get_total_flops() // 2
