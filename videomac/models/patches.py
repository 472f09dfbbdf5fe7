"""Images as sequences of patches: pure functions.

A patch is flattened in the order (row, column, channel), as in MAE and in the released
VideoMAC, so that a prediction head has the same layout everywhere.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..sparse.patch_grid import grid_shape

__all__ = [
    'cells_to_patches',
    'normalize_patches',
    'patch_statistics',
    'patchify',
    'unpatchify',
]

#: Added to the variance of a patch, as in MAE.
EPS = 1e-6


def patchify(images: Tensor, patch_size: int) -> Tensor:
    """Cut images into patches.

    Args:
        images: Shape [B, 3, H, W].
        patch_size: Side of a patch in pixels, P.

    Returns:
        Shape [B, L, P * P * 3], L = (H / P) * (W / P), patches row by row.

    Raises:
        ValueError: If the patch does not divide the image.
    """
    batch, channels, height, width = images.shape
    rows, cols = grid_shape((height, width), patch_size)
    blocks = images.reshape(batch, channels, rows, patch_size, cols, patch_size)
    return blocks.permute(0, 2, 4, 3, 5, 1).reshape(batch, rows * cols, -1)


def unpatchify(patches: Tensor, image_size: tuple[int, int], patch_size: int) -> Tensor:
    """Put patches back into images: the inverse of :func:`patchify`.

    Args:
        patches: Shape [B, L, P * P * C].
        image_size: Height and width of the images in pixels.
        patch_size: Side of a patch in pixels, P.

    Returns:
        Shape [B, C, H, W].
    """
    rows, cols = grid_shape(image_size, patch_size)
    blocks = patches.reshape(len(patches), rows, cols, patch_size, patch_size, -1)
    return blocks.permute(0, 5, 1, 3, 2, 4).reshape(len(patches), -1, *image_size)


def patch_statistics(patches: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (unbiased) of each patch, shape [B, L, 1] each."""
    variance, mean = torch.var_mean(patches, dim=-1, keepdim=True)
    return mean, (variance + EPS).sqrt()


def normalize_patches(patches: Tensor) -> Tensor:
    """Give each patch zero mean and unit variance (MAE, section 3)."""
    mean, std = patch_statistics(patches)
    return (patches - mean) / std


def cells_to_patches(cells: Tensor, cell_size: int, patch_size: int) -> Tensor:
    """Bring the prediction of a decoder to one row a patch.

    Args:
        cells: Prediction for the pixels of each latent cell, shape
            [B, cell_size * cell_size * 3, h, w].
        cell_size: Side of a latent cell in pixels.
        patch_size: Side of a patch in pixels, a multiple of ``cell_size``.

    Returns:
        Shape [B, L, patch_size * patch_size * 3].
    """
    sequence = cells.flatten(2).transpose(1, 2)
    if cell_size == patch_size:
        return sequence
    size = (cells.shape[2] * cell_size, cells.shape[3] * cell_size)
    return patchify(unpatchify(sequence, size, cell_size), patch_size)
