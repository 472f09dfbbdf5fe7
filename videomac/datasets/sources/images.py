"""Frames stored as image files: how to list, order and decode them."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .base import UnreadableVideoError

__all__ = [
    'IMAGE_SUFFIXES',
    'check_suffixes',
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
    """Decode one image file.

    Args:
        path: The file.

    Returns:
        RGB array ``[H, W, 3]``, uint8 in 0..255.

    Raises:
        UnreadableVideoError: The file is missing or cannot be decoded.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert('RGB'))
    except FileNotFoundError:
        raise UnreadableVideoError(path, 'the file does not exist') from None
    # What Pillow raises on broken files depends on the format and on the damage.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableVideoError(path, f'cannot be decoded ({error})') from error


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
    first = images[0].shape
    for path, image in zip(paths, images, strict=True):
        if image.shape != first:
            raise UnreadableVideoError(
                path,
                f'is {image.shape[1]}x{image.shape[0]} pixels, but {paths[0]} of the '
                f'same video is {first[1]}x{first[0]}; all frames must have one size',
            )
    return np.stack(images)
