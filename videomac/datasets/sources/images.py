"""Frames stored as image files: how to list, order and decode them."""

import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .diagnosis import UnreadableVideoError, diagnose

__all__ = [
    'IMAGE_SUFFIXES',
    'check_one_size',
    'check_suffixes',
    'decode_image',
    'image_names',
    'natural_key',
    'read_image',
    'read_images',
    'walk_files',
]

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.ppm', '.tif', '.tiff')


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Key that sorts numbers inside names by value: ``frame_2`` before ``frame_10``.

    Args:
        name: A file name or a relative path.

    Returns:
        Text and numbers in turn, then the name itself to order ``f1`` and ``f01``.
    """
    parts = re.split('([0-9]+)', name)
    # Text stands at even and digits at odd places, so equal places compare.
    return [int(p) if i % 2 else p for i, p in enumerate(parts)], name


def check_suffixes(suffixes: Sequence[str]) -> tuple[str, ...]:
    """Lower-case file suffixes and check that each begins with a dot.

    Raises:
        TypeError: ``suffixes`` is a single string.
        ValueError: It is empty, or one does not begin with a dot.
    """
    if isinstance(suffixes, str):
        raise TypeError(f"suffixes must be a list such as ['{suffixes}'], got a string")
    wrong = [s for s in suffixes if not s.startswith('.')]
    if wrong or not suffixes:
        raise ValueError(
            "suffixes must be a list of suffixes with a leading dot, e.g. ['.jpg'], "
            f'got {list(suffixes)!r}'
        )
    return tuple(s.lower() for s in suffixes)


def image_names(files: Iterable[str], suffixes: tuple[str, ...]) -> tuple[str, ...]:
    """Pick the visible files with one of ``suffixes`` and put them in natural order."""
    # A leading dot marks leftovers such as macOS' `._frame.jpg`, which are no images.
    names = (f for f in files if not f.startswith('.') and f.lower().endswith(suffixes))
    return tuple(sorted(names, key=natural_key))


def walk_files(root: str) -> Iterator[tuple[str, list[str]]]:
    """Walk a tree through links, but into each real folder once.

    Args:
        root: The folder to begin with.

    Yields:
        A folder and the names of its files; folders in natural order.

    Raises:
        OSError: A folder cannot be listed.
    """

    def fail(error: OSError) -> None:
        raise error

    seen = set()
    for folder, subfolders, files in os.walk(root, followlinks=True, onerror=fail):
        real = os.path.realpath(folder)
        if real in seen:  # a link back up the tree would never end
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = sorted(
            (s for s in subfolders if not s.startswith('.')), key=natural_key
        )
        yield folder, files


def read_image(path: str) -> NDArray[np.uint8]:
    """Decode one image file, whatever its suffix says that it is.

    The pixels are taken as they are stored: a rotation noted in EXIF is not applied.
    Label maps, and the frames of videos, know nothing of it, and all decoders agree.

    Args:
        path: The file.

    Returns:
        RGB array ``[H, W, 3]``, uint8 in 0..255.

    Raises:
        UnreadableVideoError: The file is missing or cannot be decoded.
    """
    try:
        with Image.open(path) as image:
            return _to_rgb(image)
    # What Pillow raises on broken files depends on the format and on the damage.
    except Exception as error:
        raise UnreadableVideoError(path, diagnose(path, error)) from error


def decode_image(content: bytes, path: str) -> NDArray[np.uint8]:
    """Decode the content of an image file, as :func:`read_image` does.

    Args:
        content: The whole file.
        path: Its name, for messages.

    Raises:
        UnreadableVideoError: It cannot be decoded.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            return _to_rgb(image)
    except Exception as error:
        # What is packed with others has a name, but no file of its own.
        packed = not os.path.lexists(path)
        reason = f'cannot be decoded ({error})' if packed else diagnose(path, error)
        raise UnreadableVideoError(path, reason) from error


def _to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """Decode to 8 bits: of 16 bits the high byte, of transparency the colours.

    Raises:
        ValueError: The pixels have a range that nobody knows.
    """
    if image.mode.startswith('I'):
        values = np.asarray(image)
        if values.min(initial=0) < 0 or values.max(initial=0) > 0xFFFF:
            raise ValueError('its pixels are beyond 16 bits; convert it to 8 bits')
        grey = (values >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=-1)
    if image.mode == 'F':
        raise ValueError('its pixels are floating point; convert it to 8 bits')
    return np.asarray(image.convert('RGB'))


def read_images(paths: Sequence[str]) -> NDArray[np.uint8]:
    """Decode image files of one size.

    Args:
        paths: T files.

    Returns:
        RGB array ``[T, H, W, 3]``, uint8 in 0..255.

    Raises:
        UnreadableVideoError: A file is missing, cannot be decoded, or differs in size
            from the first.
    """
    images = [read_image(path) for path in paths]
    check_one_size(paths, [image.shape[:2] for image in images])
    return np.stack(images)


def check_one_size(paths: Sequence[str], sizes: Sequence[tuple[int, int]]) -> None:
    """Check that the frames of a sample have one size.

    Args:
        paths: T files.
        sizes: Their heights and widths.

    Raises:
        UnreadableVideoError: One differs from the first.
    """
    first = sizes[0]
    for path, size in zip(paths, sizes, strict=True):
        if size != first:
            raise UnreadableVideoError(
                path,
                f'is {size[1]}x{size[0]} pixels, but {paths[0]} of the '
                f'same video is {first[1]}x{first[0]}; all frames must have one size',
            )
