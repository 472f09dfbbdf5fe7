"""From the latent of visible cells to the pixels of every patch."""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from mmpretrain.models.backbones.convnext import ConvNeXtBlock
from torch import Tensor, nn

from ..registry import MODELS

__all__ = ['ConvNeXtDecoder']


@MODELS.register_module()
class ConvNeXtDecoder(BaseModule):
    """A few dense ConvNeXt V2 blocks on the latent map (paper, section 3.2).

    A 1x1 projection, a learned token at masked cells, the blocks, and a 1x1 prediction
    of the pixels that each latent cell covers.

    Args:
        in_channels: Channels of the latent; VideoMAC fills it in from the encoder.
        cell_size: Side in pixels of the area that a latent cell covers; VideoMAC fills
            it in from the encoder.
        dim: Width of the decoder.
        depth: Number of blocks, at least 0.
        init_cfg: Initialisation, as in mmengine.

    Raises:
        ValueError: If the depth is negative.
    """

    def __init__(
        self,
        in_channels: int,
        cell_size: int = 32,
        dim: int = 512,
        depth: int = 1,
        init_cfg: dict[str, object] | list[dict[str, object]] | None = None,
    ) -> None:
        if init_cfg is None:
            init_cfg = [
                dict(type='TruncNormal', layer=['Conv2d', 'Linear'], std=0.02, bias=0.0)
            ]
        super().__init__(init_cfg)
        if depth < 0:
            raise ValueError(f'depth must not be negative, got {depth}')
        self.cell_size = cell_size
        self.proj = nn.Conv2d(in_channels, dim, kernel_size=1)
        self.mask_token = nn.Parameter(torch.zeros(1, dim, 1, 1))
        self.blocks = nn.Sequential(
            *[
                ConvNeXtBlock(dim, use_grn=True, layer_scale_init_value=0.0)
                for _ in range(depth)
            ]
        )
        self.pred = nn.Conv2d(dim, 3 * cell_size**2, kernel_size=1)

    def init_weights(self) -> None:
        """Initialise the layers, and the mask token from N(0, 0.02²)."""
        super().init_weights()
        nn.init.normal_(self.mask_token, std=0.02)

    def forward(self, latent: Tensor, masked: Tensor) -> Tensor:
        """Predict the pixels of every cell.

        Args:
            latent: Shape [B, in_channels, h, w].
            masked: True at masked cells, bool, shape [B, h, w].

        Returns:
            Shape [B, 3 * cell_size², h, w], in the order (row, column, channel).
        """
        x = self.proj(latent)
        x = torch.where(masked[:, None], self.mask_token.to(x.dtype), x)
        return self.pred(self.blocks(x))
