"""Label maps on disk: PNGs whose pixels are ids, read and written without loss."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from .sources.diagnosis import diagnose, printable

__all__ = [
    'LabelFiles',
    'LabelMapError',
    'object_palette',
    'read_foreground',
    'read_label_map',
    'read_palette',
    'write_label_map',
]

Ids = NDArray[np.uint8]
Palette = NDArray[np.uint8]
VOID = 255


class LabelMapError(ValueError):
    """A label map that cannot be read, or that is none.

    Args:
        path: The file.
        reason: What is wrong with it and what to do, for a person to read.
    """

    def __init__(self, path: str | Path, reason: str) -> None:
        # Both go to the base class so that the error survives pickling.
        super().__init__(str(path), reason)
        self.path = str(path)
        self.reason = reason

    def __str__(self) -> str:
        return f'{printable(self.path)}: {self.reason}'


def object_palette() -> Palette:
    """Colours of object ids, uint8 ``[256, 3]``.

    The palette of PASCAL VOC, which DAVIS and YouTube-VOS use too: from its lowest on,
    three bits of an id at a time are a bit of red, green and blue, highest first.
    """
    ids = np.arange(256)
    colours = np.zeros((256, 3), np.uint8)
    for place in range(8):
        for channel in range(3):
            bit = (ids >> (3 * place + channel)) & 1
            colours[:, channel] |= (bit << (7 - place)).astype(np.uint8)
    return colours


def read_label_map(path: str | Path, palette: Palette | None = None) -> Ids:
    """Read the ids of a label map.

    Args:
        path: A picture. With a palette its indices are the ids, never its colours; in
            grey its values are. Colours without a palette are looked up.
        palette: Colours to look up, ``[256, 3]`` [:func:`object_palette`].

    Returns:
        Ids ``[H, W]``.

    Raises:
        LabelMapError: The file cannot be decoded, is a JPEG, or holds something other
            than ids in 0..255 or colours of the palette.
    """
    image = _open(path)
    if image.format == 'JPEG':
        raise LabelMapError(
            path, 'is a JPEG, which blurs ids into others; write PNG instead'
        )
    return _ids(path, image, palette)


def _ids(path: str | Path, image: Image.Image, palette: Palette | None = None) -> Ids:
    """Take the ids out of a decoded label map; see :func:`read_label_map`."""
    if image.mode in ('P', 'L'):
        return np.asarray(image)
    if image.mode in ('1', 'I', 'I;16'):
        values = np.asarray(image).astype(np.int64)
        if values.min(initial=0) < 0 or values.max(initial=0) > 255:
            raise LabelMapError(
                path, f'its values reach {values.max()}; ids must lie in 0..255'
            )
        return values.astype(np.uint8)
    if image.mode in ('RGB', 'RGBA'):
        colours = np.asarray(image.convert('RGB'))
        return _ids_of_colours(path, colours, object_palette(), palette)
    raise LabelMapError(
        path, f'is a picture of mode {image.mode}; expected a palette or a grey PNG'
    )


def _open(path: str | Path) -> Image.Image:
    """Decode a picture with Pillow, which alone keeps the indices of a palette."""
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except FileNotFoundError:
        raise LabelMapError(path, 'there is no such file') from None
    # What Pillow raises on broken files depends on the format and on the damage.
    except Exception as error:
        raise LabelMapError(path, diagnose(str(path), error)) from error


def _ids_of_colours(
    path: str | Path, colours: NDArray[np.uint8], default: Palette, own: Palette | None
) -> Ids:
    """Look colours ``[H, W, 3]`` up in a palette.

    Ids may not be numbered in the order of the colours that happen to occur: that
    exchanges objects where one is absent.
    """
    palette = default if own is None else own
    keys = _colour_keys(colours)
    known, first = np.unique(_colour_keys(palette), return_index=True)
    place = np.searchsorted(known, keys).clip(max=len(known) - 1)
    strange = known[place] != keys
    if strange.any():
        y, x = np.argwhere(strange)[0]
        raise LabelMapError(
            path,
            f'is a colour picture, and {int(strange.sum())} of its pixels have no colour '
            f'of the palette (first: {tuple(colours[y, x].tolist())} at x={x}, y={y}). '
            'Write palette PNGs (mode P), whose pixels are object ids',
        )
    return first[place].astype(np.uint8)


def _colour_keys(colours: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Number the colours ``[..., 3]``."""
    return colours.astype(np.int64) @ np.array([65536, 256, 1])


def read_foreground(path: str | Path) -> Ids:
    """Read a label map as a mask of one object, DAVIS-2016's foreground.

    Args:
        path: Any label map. In black and white pictures, whatever their mode, foreground
            begins at 128 where they reach it (0 and 255, maybe blurred by JPEG); in all
            others it is every id but 0 and void (255). A grey PNG holds ids if it has
            values below 128 and, but for 255, none above.

    Returns:
        Mask ``[H, W]``, 0 and 1.

    Raises:
        LabelMapError: See :func:`read_label_map`; a JPEG is read here.
    """
    image = _open(path)
    levels = _levels(image)
    if levels is not None and levels.max(initial=0) >= 128:
        return (levels >= 128).astype(np.uint8)
    ids = _ids(path, image)
    return ((ids > 0) & (ids != VOID)).astype(np.uint8)


def _levels(image: Image.Image) -> Ids | None:
    """Take the levels of grey out of a picture; None where it has colours or ids."""
    if image.mode == 'L':
        values = np.asarray(image)
        between = values[(values > 0) & (values < VOID)]
        # What blurs white, and so leaves greys on both sides of the middle, is a JPEG.
        ids = image.format == 'PNG' and between.size > 0 and between.max() < 128
        return None if ids else values
    if image.mode in ('RGB', 'RGBA'):
        colours = np.asarray(image.convert('RGB'))
        return colours[..., 0] if (colours == colours[..., :1]).all() else None
    if image.mode == 'P':
        values = np.asarray(image)
        # The void of the benchmarks' palette is no white, and low values are ids.
        white = bool((_colours(image)[VOID] == 255).all())
        return values if white and not ((values > 0) & (values < 128)).any() else None
    return None


def read_palette(path: str | Path) -> Palette | None:
    """Read the palette of a label map, uint8 ``[256, 3]``; None if it has none."""
    image = _open(path)
    return _colours(image) if image.mode == 'P' else None


def _colours(image: Image.Image) -> Palette:
    """Take the palette out of a picture that has one, black where it is short."""
    colours = image.getpalette() or []
    palette = np.zeros((256, 3), np.uint8)
    palette.reshape(-1)[: len(colours)] = colours
    return palette


def write_label_map(
    path: str | Path,
    ids: Ids,
    palette: Palette | None = None,
    software: str | None = None,
) -> None:
    """Write ids as a palette PNG: DAVIS's toolkit and the CodaLab servers read these.

    The file is there as a whole or not at all, even if the process is killed.

    Args:
        path: File to write.
        ids: Ids, uint8 ``[H, W]``.
        palette: Colours of the ids ``[256, 3]`` [:func:`object_palette`].
        software: What the file says it was written by, its text ``Software`` [none].

    Raises:
        TypeError: ``ids`` is not uint8.
        ValueError: ``ids`` is not ``[H, W]``.
    """
    if ids.dtype != np.uint8:
        raise TypeError(f'ids must be uint8, got {ids.dtype}')
    if ids.ndim != 2:
        raise ValueError(f'ids must be [H, W], got {list(ids.shape)}')
    image = Image.fromarray(np.ascontiguousarray(ids))
    colours = object_palette() if palette is None else palette
    image.putpalette(np.ascontiguousarray(colours, np.uint8).tobytes())
    text = PngInfo()
    if software is not None:
        text.add_text('Software', software)
    path = Path(path)
    handle, partial = tempfile.mkstemp(suffix='.partial', dir=path.parent)
    try:
        with os.fdopen(handle, 'wb') as file:
            image.save(file, format='PNG', pnginfo=text)
        os.chmod(partial, 0o644)  # mkstemp lets the owner alone read it
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            os.remove(partial)
        raise


class LabelFiles(Sequence[Ids]):
    """The label maps of a video, each read when it is asked for.

    Args:
        paths: Files of the label maps, one for each frame.
        merge_objects: Read them as one foreground, see :func:`read_foreground`.
    """

    def __init__(self, paths: Sequence[str | Path], merge_objects: bool = False) -> None:
        self.paths = tuple(paths)
        self.merge_objects = merge_objects

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> Ids: ...
    @overload
    def __getitem__(self, index: slice) -> LabelFiles: ...
    def __getitem__(self, index: int | slice) -> Ids | LabelFiles:
        """Read one label map ``[H, W]``; a slice is a sequence of files again."""
        if isinstance(index, slice):
            return LabelFiles(self.paths[index], self.merge_objects)
        read = read_foreground if self.merge_objects else read_label_map
        return read(self.paths[index])
