"""Masked autoencoders of tokens small enough for a unit test."""

from __future__ import annotations

from typing import Any

from mmengine.registry import init_default_scope

from tests.models.common import randomise
from videomac.models.rivals.token_autoencoder import TokenAutoencoder
from videomac.registry import MODELS

ARCH = dict(embed_dims=8, num_layers=2, num_heads=2, feedforward_channels=12)
PATCH = 4
DECODERS = {
    'SiamMAE': dict(type='CrossAttentionDecoder', dim=12, depth=2, num_heads=3),
    'CropMAE': dict(type='CrossAttentionDecoder', dim=12, depth=2, num_heads=3),
    'RCMAE': dict(type='TokenDecoder', dim=12, depth=2, num_heads=3),
}


def config(method: str, ratio: float = 0.5, **changes: Any) -> dict[str, Any]:
    """Config of a method, with keys replaced."""
    model: dict[str, Any] = dict(
        type=method,
        encoder=dict(type='MaskedViT', arch=ARCH, img_size=16, patch_size=PATCH),
        masking=dict(type='RandomPatchMasking', patch_size=PATCH, ratio=ratio),
        decoder=DECODERS[method],
    )
    return model | changes


def build(method: str, ratio: float = 0.5, **changes: Any) -> TokenAutoencoder:
    """Build a method in float64 with no parameter at a trivial value."""
    init_default_scope('videomac')
    model: TokenAutoencoder = MODELS.build(config(method, ratio, **changes))
    randomise(model)
    return model.double()
