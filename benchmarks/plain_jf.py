"""J and F of DAVIS stated plainly: one object at a time, on the whole picture.

Written from the description of the measures, without a thought for speed beyond that of
the usual scripts. The tests hold videomac's scores against it, too.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ['dilate_cv2', 'dilate_scipy', 'disk', 'edges_of', 'score_object']

Mask = NDArray[np.bool_]


def disk(radius: int) -> NDArray[np.uint8]:
    """All offsets within the radius, as scikit-image's ``disk``."""
    offsets = np.arange(-radius, radius + 1)
    inside = offsets[:, None] ** 2 + offsets[None, :] ** 2 <= radius**2
    return inside.astype(np.uint8)


def dilate_scipy(mask: Mask, radius: int) -> Mask:
    """Dilate as scikit-image's ``binary_dilation``, which hands over to SciPy."""
    dilated: Mask = ndimage.binary_dilation(mask, structure=disk(radius))
    return dilated


def dilate_cv2(mask: Mask, radius: int) -> Mask:
    """Dilate with OpenCV, as the present version of the official toolkit."""
    dilated: Mask = cv2.dilate(mask.astype(np.uint8), disk(radius)) > 0
    return dilated


def edges_of(mask: Mask) -> Mask:
    """Pixels unlike the one to the right, below or to the lower right."""
    right, below, corner = (np.zeros_like(mask) for _ in range(3))
    right[:, :-1] = mask[:, 1:]
    below[:-1] = mask[1:]
    corner[:-1, :-1] = mask[1:, 1:]
    edges = (mask ^ right) | (mask ^ below) | (mask ^ corner)
    edges[-1] = mask[-1] ^ right[-1]
    edges[:, -1] = mask[:, -1] ^ below[:, -1]
    edges[-1, -1] = False
    return edges


def score_object(
    predicted: Mask,
    annotated: Mask,
    dilate: Callable[[Mask, int], Mask] = dilate_scipy,
    bound: float = 0.008,
) -> tuple[float, float]:
    """J and F of one object in one frame."""
    union = np.sum(predicted | annotated)
    J = 1.0 if union == 0 else float(np.sum(predicted & annotated) / union)
    radius = int(np.ceil(bound * np.linalg.norm(predicted.shape)))
    edges, true_edges = edges_of(predicted), edges_of(annotated)
    matched = edges & dilate(true_edges, radius)
    found = true_edges & dilate(edges, radius)
    number, true_number = np.sum(edges), np.sum(true_edges)
    if number == 0 and true_number > 0:
        precision, recall = 1.0, 0.0
    elif number > 0 and true_number == 0:
        precision, recall = 0.0, 1.0
    elif number == 0 and true_number == 0:
        precision, recall = 1.0, 1.0
    else:
        precision = np.sum(matched) / number
        recall = np.sum(found) / true_number
    if precision + recall == 0:
        return J, 0.0
    return J, float(2 * precision * recall / (precision + recall))
