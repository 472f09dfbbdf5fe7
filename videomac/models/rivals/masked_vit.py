"""A ViT that encodes the visible patches of an image and no others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmpretrain.models import VisionTransformer
from mmpretrain.models.utils import resize_pos_embed
from torch import Tensor, nn

from ...registry import MODELS
from ...sparse import PatchGrid
from .positions import sincos_positions

__all__ = ['MaskedViT', 'visible_places']

#: As in MAE (appendix A.1).
XAVIER = (
    dict(type='Xavier', layer='Linear', distribution='uniform'),
    dict(type='Constant', layer='LayerNorm', val=1.0, bias=0.0),
)


def visible_places(grid: PatchGrid) -> Tensor:
    """Places of the visible patches within their images.

    Args:
        grid: The visible patches, as many in every image.

    Returns:
        int64 [B, N], ascending in every row.

    Raises:
        ValueError: If the images have different numbers of visible patches.
    """
    if grid.per_sample is None:
        raise ValueError(
            'tokens of a batch are one tensor, so every sample must have the same '
            f'number of visible patches; got {grid.counts.tolist()}'
        )
    return (grid.index % grid.num_patches).view(grid.batch_size, grid.per_sample)


@MODELS.register_module()
class MaskedViT(VisionTransformer):
    """mmpretrain's ViT with a class token, fixed positions and masks as arguments.

    Whole images give feature maps, as any encoder here. Its parameters have the names
    of mmpretrain's ViT, so that what was pre-trained is one.

    Args:
        arch: Name of an architecture of mmpretrain (``'deit-small'`` is ViT-S), or a
            dict of ``embed_dims``, ``num_layers``, ``num_heads`` and
            ``feedforward_channels``.
        img_size: Side of the images in pixels, or height and width; others get
            resized positions.
        patch_size: Side of a patch in pixels.
        init_cfg: Initialisation, as in mmengine; MAE's by default.
        kwargs: Further arguments of mmpretrain's ViT.
    """

    def __init__(
        self,
        arch: str | dict[str, int] = 'deit-small',
        img_size: int | Sequence[int] = 224,
        patch_size: int = 16,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs = dict(out_type='featmap') | kwargs
        super().__init__(
            arch=arch,
            img_size=img_size,
            patch_size=patch_size,
            init_cfg=[dict(each) for each in XAVIER] if init_cfg is None else init_cfg,
            **kwargs,
        )
        self.patch_size = patch_size
        self.pos_embed.requires_grad_(False)
        self._fix_positions()

    @torch.no_grad()
    def _fix_positions(self) -> None:
        rows, cols = self.patch_resolution
        self.pos_embed.copy_(sincos_positions(rows, cols, self.embed_dims))

    def init_weights(self) -> None:
        """Initialise as MAE does, unless the weights come from a checkpoint."""
        super().init_weights()
        if isinstance(self.init_cfg, dict) and self.init_cfg['type'] == 'Pretrained':
            return
        self._fix_positions()
        projection = self.patch_embed.projection.weight
        nn.init.xavier_uniform_(projection.data.flatten(1))
        nn.init.normal_(self.cls_token, std=0.02)

    def encode(self, images: Tensor, grid: PatchGrid | None = None) -> Tensor:
        """Turn visible patches into tokens.

        Args:
            images: Normalised, shape [B, 3, H, W].
            grid: The visible patches, as many in every image; None: all.

        Returns:
            The class token and the tokens of the N visible patches, row by row, after
            the final norm, shape [B, 1 + N, C].

        Raises:
            ValueError: If the grid does not fit the images, or its images have
                different numbers of visible patches.
        """
        x, resolution = self.patch_embed(images)
        position = resize_pos_embed(
            self.pos_embed,
            self.patch_resolution,
            resolution,
            self.interpolate_mode,
            self.num_extra_tokens,
        )
        x = x + position[:, 1:]
        if grid is not None:
            if (grid.batch_size, grid.rows, grid.cols) != (len(images), *resolution):
                raise ValueError(
                    f'a grid of {grid.batch_size} images with {grid.rows}x{grid.cols} '
                    f'patches does not fit {len(images)} images, in which the ViT has '
                    f'{resolution[0]}x{resolution[1]} patches of {self.patch_size} pixels'
                )
            x = x.take_along_dim(visible_places(grid)[:, :, None], dim=1)
        token = (self.cls_token + position[:, :1]).expand(len(x), -1, -1)
        x = torch.cat((token, x), dim=1)
        for layer in self.layers:
            x = layer(x)
        return self.ln1(x)
