"""What a caller gives as the labels of a first frame, checked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..datasets.label_maps import VOID, read_label_map, read_palette

__all__ = ['FirstMask', 'check_points', 'read_mask']

#: A file, an array [H, W], or a picture of Pillow.
FirstMask: TypeAlias = 'str | os.PathLike[str] | NDArray[Any] | Image.Image'


def read_mask(
    mask: FirstMask, size: tuple[int, int], name: str
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Read the objects of a frame.

    Args:
        mask: A palette or grey PNG, or ids [H, W]; bool, or 0 and 255 alone, for one
            object; else 255 is void and becomes background.
        size: Height and width of the frames.
        name: What the caller calls it, for messages.

    Returns:
        Ids, uint8 [H, W], and the palette of the file, if it has one.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read, holds no ids, is of another size, or empty.
    """
    palette = None
    where = name
    if isinstance(mask, str | os.PathLike):
        where = f"{name} '{mask}'"
        if not Path(mask).is_file():
            raise FileNotFoundError(f'{where}: there is no such file')
        ids: NDArray[Any] = read_label_map(Path(mask))
        palette = read_palette(Path(mask))
    elif isinstance(mask, Image.Image):
        if mask.mode not in ('P', 'L', '1'):
            raise ValueError(
                f'{where} must be a palette or grey picture, not {mask.mode}'
            )
        ids = np.asarray(mask)
    else:
        ids = np.asarray(mask)
    if ids.ndim != 2 or ids.dtype.kind not in 'bui':
        raise ValueError(
            f'{where} must be whole numbers or bool [H, W], got {ids.dtype} '
            f'{list(ids.shape)}'
        )
    if ids.shape != size:
        raise ValueError(
            f'{where} is {ids.shape[1]} x {ids.shape[0]} pixels, but the frames are '
            f'{size[1]} x {size[0]}: draw it at the size of the frames'
        )
    if ids.min() < 0 or ids.max() > VOID:
        raise ValueError(f'{where} has the ids {ids.min()} to {ids.max()}, not 0 to 255')
    if palette is None and {*np.unique(ids).tolist()} <= {0, VOID}:
        ids = ids == VOID
    clean = np.where(ids == VOID, 0, ids).astype(np.uint8)
    if not clean.any():
        raise ValueError(f'{where} is empty: mark at least one object in it')
    return clean, palette


def check_points(points: Any, size: tuple[int, int]) -> NDArray[np.float64]:
    """Check points [J, 2] of x and y in pixels against height and width of the frames.

    Raises:
        ValueError: If they have another shape, or one lies outside.
    """
    places = np.asarray(points, np.float64)
    if places.ndim != 2 or places.shape[1] != 2 or not len(places):
        raise ValueError(f'points must be x and y, [J, 2], got {list(places.shape)}')
    height, width = size
    inside = (places >= 0) & (places <= (width - 1, height - 1))
    if not inside.all():
        wrong = places[~inside.all(1)][0].tolist()
        raise ValueError(
            f'the point (x, y) = ({wrong[0]:g}, {wrong[1]:g}) lies outside the frames of '
            f'{width} x {height} pixels'
        )
    return places
