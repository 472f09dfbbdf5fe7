"""Objects of a first frame, painted or clicked, as a label map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..datasets.label_maps import object_palette

__all__ = [
    'COLOURS',
    'MAX_OBJECTS',
    'add_disc',
    'add_grabcut',
    'editor_picture',
    'painted_ids',
]

Ids = NDArray[np.uint8]
Picture = NDArray[np.uint8]

MAX_OBJECTS = 6
#: Colours of the objects 1, 2, ... in DAVIS's palette, as HTML has them.
COLOURS = tuple(
    '#' + bytes(colour.tolist()).hex() for colour in object_palette()[1 : MAX_OBJECTS + 1]
)
EDITOR_SIDE = 480  # pixels; a brush is hard to guide on smaller pictures
OPAQUE = 128  # alpha in 0..255 from which paint counts
ROUNDS = 4  # of GrabCut
LIKELY = 1.5  # radii around a click within which GrabCut begins with object
REACH = 3  # radii around a click beyond which nothing is object


def editor_picture(frame: Picture) -> Picture:
    """Enlarge a small frame, RGB uint8 [H, W, 3], by a whole number for painting."""
    scale = max(1, EDITOR_SIDE // max(frame.shape[:2]))
    size = frame.shape[1] * scale, frame.shape[0] * scale
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def painted_ids(layers: Sequence[NDArray[np.uint8]], size: tuple[int, int]) -> Ids:
    """Turn paint into ids.

    Args:
        layers: RGBA, uint8 in 0..255, [h, w, 4], later ones above; of any size.
        size: Height and width of the frame.

    Returns:
        uint8 [H, W]: where there is paint, the object among ``COLOURS`` that is closest
        to it (edges of strokes are mixtures); 0 elsewhere.
    """
    palette = object_palette()[1 : MAX_OBJECTS + 1].astype(np.int64)
    ids = np.zeros(size, np.uint8)
    for layer in layers:
        paint = layer
        if paint.shape[:2] != size:
            paint = np.asarray(
                cv2.resize(layer, size[::-1], interpolation=cv2.INTER_NEAREST), np.uint8
            )
        there = paint[..., 3] >= OPAQUE
        colours = paint[there][:, :3].astype(np.int64)
        distance = ((colours[:, None] - palette) ** 2).sum(-1)
        ids[there] = 1 + distance.argmin(1)
    return ids


def add_disc(ids: Ids, place: tuple[float, float], radius: float, object_id: int) -> Ids:
    """Mark a disc.

    Args:
        ids: Label map, uint8 [H, W].
        place: x and y of its centre in pixels.
        radius: Pixels, positive.
        object_id: 0 takes marks away.

    Returns:
        A new label map.

    Raises:
        ValueError: If the object or the radius is out of range.
    """
    _check(radius, object_id)
    return np.where(_disc(ids.shape, place, radius), np.uint8(object_id), ids)


def add_grabcut(
    frame: Picture,
    ids: Ids,
    place: tuple[float, float],
    radius: float,
    object_id: int,
) -> Ids:
    """Mark what GrabCut (Rother et al., 2004) takes for the object under a click.

    The inner half of the disc is object, what is ``REACH`` radii away or another
    object is not; between them colours and edges decide. Of the result the parts that
    reach into the inner half are taken.

    Args:
        frame: RGB, uint8 in 0..255, [H, W, 3].
        ids: Label map, uint8 [H, W].
        place: x and y of the click in pixels.
        radius: Pixels, positive: about that of the object.
        object_id: 1 and above.

    Returns:
        A new label map. Where GrabCut has nothing to tell apart, the disc.

    Raises:
        ValueError: If the object or the radius is out of range.
    """
    _check(radius, object_id)
    if object_id == 0:
        raise ValueError('GrabCut marks objects; take marks away with discs')
    others = (ids > 0) & (ids != object_id)
    labels = np.full(ids.shape, cv2.GC_PR_BGD, np.uint8)
    labels[_disc(ids.shape, place, LIKELY * radius)] = cv2.GC_PR_FGD
    labels[_disc(ids.shape, place, radius / 2) | (ids == object_id)] = cv2.GC_FGD
    labels[~_disc(ids.shape, place, REACH * radius) | others] = cv2.GC_BGD
    if not (labels == cv2.GC_FGD).any() or not (labels != cv2.GC_FGD).any():
        return add_disc(ids, place, radius, object_id)
    bgr = np.ascontiguousarray(frame[..., ::-1])
    whole: Any = None  # no rectangle: the labels are given
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)  # the same click gives the same object
    try:
        cv2.grabCut(bgr, labels, whole, *models, ROUNDS, cv2.GC_INIT_WITH_MASK)
    except cv2.error:  # all of one colour, or one of both sides is empty
        return add_disc(ids, place, radius, object_id)
    found = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
    seeds = _disc(ids.shape, place, radius / 2) & found
    _, parts = cv2.connectedComponents(found.astype(np.uint8))
    mine = np.isin(parts, np.unique(np.asarray(parts)[seeds])) & found
    if not mine.any():
        return add_disc(ids, place, radius, object_id)
    return np.where(mine, np.uint8(object_id), ids)


def _disc(
    size: tuple[int, ...], place: tuple[float, float], radius: float
) -> NDArray[np.bool_]:
    """Pixels no further from a place than the radius; the nearest one in any case."""
    y, x = np.ogrid[: size[0], : size[1]]
    inside: NDArray[np.bool_] = (x - place[0]) ** 2 + (y - place[1]) ** 2 <= radius**2
    row = min(max(round(place[1]), 0), size[0] - 1)
    inside[row, min(max(round(place[0]), 0), size[1] - 1)] = True
    return inside


def _check(radius: float, object_id: int) -> None:
    if not 0 <= object_id <= MAX_OBJECTS:
        raise ValueError(f'objects are numbered 1 to {MAX_OBJECTS}, got {object_id}')
    if not radius > 0:
        raise ValueError(f'the radius must be positive, got {radius}')
