"""From the tokens of visible patches to the pixels of every patch."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.model import BaseModule
from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer
from torch import Tensor, nn

from ...registry import MODELS
from ...sparse import PatchGrid
from .masked_vit import XAVIER, visible_places
from .positions import sincos_positions

__all__ = ['EPS', 'MLP_RATIO', 'TokenDecoder']

#: Added to the variance by every norm, as in MAE.
EPS = 1e-6
#: Hidden channels of the MLP of a block, for each channel of the decoder.
MLP_RATIO = 4


@MODELS.register_module()
class TokenDecoder(BaseModule):
    """Self-attention over visible and mask tokens (MAE, section 3).

    A linear projection, a learned token at masked patches, fixed positions, ViT blocks,
    a norm, and a linear prediction of the pixels of every patch. Images of any size.

    Args:
        in_channels: Channels of the encoder's tokens; the algorithm fills it in.
        patch_size: Side of a patch in pixels; the algorithm fills it in.
        dim: Width of the decoder, a multiple of 4.
        depth: Number of blocks, at least 1.
        num_heads: Heads of the attention; they divide ``dim``.
        init_cfg: Initialisation, as in mmengine; MAE's by default.

    Raises:
        ValueError: If depth, width or heads are out of range.
    """

    def __init__(
        self,
        in_channels: int,
        patch_size: int = 16,
        dim: int = 512,
        depth: int = 8,
        num_heads: int = 16,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(
            [dict(each) for each in XAVIER] if init_cfg is None else init_cfg
        )
        if depth < 1:
            raise ValueError(f'depth must be at least 1, got {depth}')
        if dim % 4 or dim % num_heads:
            raise ValueError(
                f'dim must be a multiple of 4 and of num_heads, got dim={dim} and '
                f'num_heads={num_heads}'
            )
        self.dim = dim
        self.embed = nn.Linear(in_channels, dim)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.blocks = nn.ModuleList(
            [self.make_block(dim, num_heads) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(dim, eps=EPS)
        self.pred = nn.Linear(dim, 3 * patch_size**2)

    def make_block(self, dim: int, num_heads: int) -> nn.Module:
        """Make one of the blocks."""
        return TransformerEncoderLayer(
            dim, num_heads, MLP_RATIO * dim, norm_cfg=dict(type='LN', eps=EPS)
        )

    def init_weights(self) -> None:
        """Initialise the layers, and the mask token from N(0, 0.02²)."""
        super().init_weights()
        nn.init.normal_(self.mask_token, std=0.02)

    def fill(self, tokens: Tensor, grid: PatchGrid) -> Tensor:
        """Project tokens, put them to their places and mask tokens to all others.

        Args:
            tokens: Class token and visible patches, shape [B, 1 + N, in_channels].
            grid: The visible patches.

        Returns:
            Shape [B, 1 + L, dim], positions added.
        """
        x = self.embed(tokens)
        places = visible_places(grid)[:, :, None].expand(-1, -1, self.dim)
        patches = self.mask_token.to(x.dtype).expand(len(x), grid.num_patches, -1)
        patches = patches.scatter(1, places, x[:, 1:])
        positions = sincos_positions(grid.rows, grid.cols, self.dim, x.device)
        return torch.cat((x[:, :1], patches), dim=1) + positions

    def forward(self, tokens: Tensor, grid: PatchGrid) -> Tensor:
        """Predict the pixels of every patch.

        Args:
            tokens: What :meth:`MaskedViT.encode` gives for the grid.
            grid: The visible patches.

        Returns:
            Shape [B, L, 3 * patch_size²], in the order (row, column, channel).
        """
        x = self.fill(tokens, grid)
        for block in self.blocks:
            x = block(x)
        return self.pred(self.norm(x[:, 1:]))
