"""Ids of objects and joints as maps on cells, and back."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from .settings import PropagationSettings

__all__ = ['decode_ids', 'encode_ids', 'present_ids', 'resize_ids', 'stretch']


def resize_ids(ids: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize an id map by nearest neighbour, taking the pixel at each cell's centre.

    Pillow does it, as in DINO's code; OpenCV's ``INTER_NEAREST`` and torch's
    ``'nearest'`` take the pixel at the cell's upper left instead.

    Args:
        ids: [H, W].
        size: New height and width.
    """
    picture = Image.fromarray(ids).resize(size[::-1], Image.Resampling.NEAREST)
    return np.array(picture)


def present_ids(ids: NDArray[np.uint8]) -> list[int]:
    """Ids that an annotation holds, with the background 0 first, whether there or not.

    To be asked of the full-size annotation: a small object may cover no cell's centre.
    """
    return sorted({0, *np.unique(ids).tolist()})


def encode_ids(
    ids: NDArray[np.uint8],
    objects: list[int],
    cells: tuple[int, int],
    network_size: tuple[int, int],
    settings: PropagationSettings,
    device: torch.device | str = 'cpu',
) -> Tensor:
    """Turn an annotation into maps on cells.

    Args:
        ids: Annotation at its full size, [H0, W0].
        objects: Ids of the K maps.
        cells: h, w of the features.
        network_size: Height and width of the network's input in pixels, where bilinear
            maps are taken from.
        settings: Its ``label_resize`` is used.
        device: Where the maps shall lie.

    Returns:
        float32 [K, h, w].

    Raises:
        ValueError: If the annotation holds an id that is not among the objects.
    """
    unknown = sorted(set(np.unique(ids).tolist()) - set(objects))
    if unknown:
        raise ValueError(f'the annotation holds the ids {unknown}, not among {objects}')
    nearest = settings.label_resize == 'nearest'
    small = torch.from_numpy(resize_ids(ids, cells if nearest else network_size))
    maps = (
        small.to(device) == torch.tensor(objects, device=device)[:, None, None]
    ).float()
    if nearest:
        return maps
    return _bilinear(maps, cells)


def decode_ids(
    maps: Tensor,
    objects: list[int],
    network_size: tuple[int, int],
    ori_size: tuple[int, int],
    settings: PropagationSettings,
) -> NDArray[np.uint8]:
    """Turn maps on cells into ids at the original size.

    Args:
        maps: [K, h, w].
        objects: Ids of the K maps; where several are equal, the first wins.
        network_size: Height and width of the network's input in pixels.
        ori_size: Height and width of the original frame in pixels.
        settings: Its ``min_max`` and ``decode`` are used.

    Returns:
        [H0, W0].
    """
    large = _bilinear(maps, network_size if settings.decode == 'network' else ori_size)
    strongest = (stretch(large) if settings.min_max else large).argmax(0)
    ids = torch.tensor(objects, dtype=torch.uint8, device=maps.device)[strongest]
    return resize_ids(ids.cpu().numpy(), ori_size)


def stretch(maps: Tensor) -> Tensor:
    """Stretch every map [K, h, w] that is positive somewhere to [0, 1].

    A map of one value only stays as it is; DINO's code divides by zero there.
    """
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    span = high - low
    return torch.where(
        (high > 0) & (span > 0), (maps - low) / span.where(span > 0, 1), maps
    )


def _bilinear(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Interpolate [K, h, w] without a filter, as OpenCV does."""
    return F.interpolate(maps[None], size, mode='bilinear', align_corners=False)[0]
