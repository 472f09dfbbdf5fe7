"""Binary masks as rows of bits: set operations, boundaries and disks by the word.

A mask of W pixels a row takes ``ceil(W / 64)`` words of 64 bits, so that one machine
operation handles 64 pixels. Pixel x of a row is bit ``x % 64`` of word ``x // 64``. Bits
beyond the row are zero.
"""

from math import isqrt

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ['Bits', 'boundary', 'count', 'dilate', 'extent', 'pack', 'pack_ids']

Bits = NDArray[np.uint64]
_WORD = np.dtype('<u8')  # the order in which packbits lays out its bytes


def pack(mask: NDArray[np.bool_]) -> Bits:
    """Pack a mask.

    Args:
        mask: Mask ``[H, W]``.

    Returns:
        Its bits ``[H, ceil(W / 64)]``.
    """
    height, width = mask.shape
    octets = np.zeros((height, -(-width // 64) * 8), np.uint8)
    octets[:, : -(-width // 8)] = np.packbits(mask, axis=1, bitorder='little')
    return octets.view(_WORD)


def pack_ids(ids: NDArray[np.uint8], num_objects: int) -> Bits:
    """Pack the mask of each object of an id map.

    Args:
        ids: Ids ``[H, W]``.
        num_objects: Number K of objects, with ids 1 to K.

    Returns:
        Bits of the masks ``[K, H, ceil(W / 64)]``.
    """
    height, width = ids.shape
    out = np.empty((num_objects, height, -(-width // 64)), _WORD)
    mask = np.empty(ids.shape, np.bool_)  # one for all: fresh memory costs more than ==
    for k in range(num_objects):
        out[k] = pack(np.equal(ids, k + 1, out=mask))
    return out


def count(bits: Bits) -> int:
    """Count the pixels that are set."""
    if bits.size == 0:
        return 0
    row = np.ascontiguousarray(bits).view(np.uint8).reshape(1, -1)
    return int(cv2.norm(row, cv2.NORM_HAMMING))


def extent(bits: Bits) -> tuple[slice, slice]:
    """Rows and words that hold all pixels of a mask ``[H, words]`` that is not empty."""
    rows = np.flatnonzero(bits.any(axis=1))
    words = np.flatnonzero(bits.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(words[0], words[-1] + 1)


def boundary(bits: Bits, width: int) -> Bits:
    """Mark the pixels that differ from their right, lower or lower right neighbour.

    The last row looks right only, the last column down only, and the corner is never
    marked: ``seg2bmap`` of the DAVIS toolkits, at full size.

    Args:
        bits: Bits of masks, ``[..., H, words]``.
        width: Number of pixels in a row.

    Returns:
        Bits of the boundaries, ``[..., H, words]``.
    """
    right = bits >> _WORD.type(1)
    right[..., :-1] |= bits[..., 1:] << _WORD.type(63)
    marked = bits ^ right
    marked[..., :-1, :] |= bits[..., :-1, :] ^ right[..., 1:, :]
    # The last column has no right neighbour.
    marked[..., -1] &= _WORD.type((1 << ((width - 1) % 64)) - 1)
    marked[..., :-1, :] |= bits[..., :-1, :] ^ bits[..., 1:, :]
    return marked


def dilate(bits: Bits, radius: int) -> Bits:
    """Dilate by the disk of all offsets with ``dx * dx + dy * dy <= radius * radius``.

    The rows are widened step by step to the chords of the disk, the shortest first, and
    each widening is laid over the rows at its distance.

    Args:
        bits: Bits of N masks, ``[N, H, words]``. What is outside counts as not set.
        radius: Radius in pixels, at least 0.

    Returns:
        Bits of the dilated masks, ``[N, H, words]``. Those beyond the last column of a
        picture may be set.
    """
    masks, height, words = bits.shape
    # Between two rows of one flat string, and before the first, lie as many free bits as
    # a row may grow by: what grows out of the picture still fills gaps inside of it.
    free = -(-radius // 64)
    row = words + free
    wide = np.zeros((masks, free + height * row), _WORD)
    wide[:, free:].reshape(masks, height, row)[..., :words] = bits
    out = np.zeros_like(wide)
    half = 0  # by how much `wide` has grown to either side
    for dy in range(min(radius, height - 1), -1, -1):
        chord = isqrt(radius * radius - dy * dy)
        while half < chord:
            # A run that has grown by `half` is longer than 2 * half: no gaps.
            step = min(chord - half, 2 * half + 1, 63)
            _widen(wide, step)
            half += step
        out[:, dy * row :] |= wide[:, : wide.shape[1] - dy * row]
        out[:, : wide.shape[1] - dy * row] |= wide[:, dy * row :]
    return out[:, free:].reshape(masks, height, row)[..., :words]


def _widen(strings: Bits, step: int) -> None:
    """Add to each string of bits itself moved by ``step`` < 64 to either side."""
    near, far = _WORD.type(step), _WORD.type(64 - step)
    moved = strings >> near
    moved[:, :-1] |= strings[:, 1:] << far
    moved |= strings << near
    moved[:, 1:] |= strings[:, :-1] >> far
    strings |= moved
