"""A folder of propagated masks, which never takes the place of other pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..datasets.label_maps import write_label_map
from ..datasets.sources.images import IMAGE_SUFFIXES

__all__ = ['check_mask_folder', 'fill_mask_folder', 'pictures_in']

AnyPath = str | os.PathLike[str]

#: What the files say of themselves. Programs that change a picture leave it out.
SOFTWARE = 'videomac, propagated masks'


def pictures_in(folder: AnyPath) -> list[Path]:
    """All pictures of a folder, by name; none if there is no folder."""
    if not Path(folder).is_dir():
        return []
    return sorted(p for p in Path(folder).iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)


def check_mask_folder(folder: AnyPath) -> None:
    """Check that masks may be written to a folder.

    Raises:
        NotADirectoryError: It is a file.
        ValueError: It holds pictures that :func:`fill_mask_folder` has not written.
    """
    if Path(folder).exists() and not Path(folder).is_dir():
        raise NotADirectoryError(f"'{folder}' is a file, masks need a folder")
    for path in pictures_in(folder):
        if not _is_ours(path):
            raise ValueError(
                f"'{path}' is no mask of an earlier run; masks need a folder without "
                'other pictures: name another one, or empty this'
            )


def fill_mask_folder(
    folder: AnyPath, masks: Iterable[NDArray[np.uint8]], palette: NDArray[np.uint8] | None
) -> list[Path]:
    """Write masks as ``00000.png`` and so on, in the place of those of an earlier run.

    Args:
        folder: Made if there is none.
        masks: Ids, uint8 [H, W] each.
        palette: Colours of the ids, uint8 [256, 3].

    Returns:
        The files.

    Raises:
        NotADirectoryError: See :func:`check_mask_folder`.
        ValueError: See :func:`check_mask_folder`.
    """
    check_mask_folder(folder)
    Path(folder).mkdir(parents=True, exist_ok=True)
    earlier = pictures_in(folder)
    written = []
    for index, ids in enumerate(masks):
        written.append(Path(folder, f'{index:05d}.png'))
        write_label_map(written[-1], ids, palette, SOFTWARE)
    for path in set(earlier) - set(written):
        path.unlink()  # of a longer video
    return written


def _is_ours(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return image.info.get('Software') == SOFTWARE
    except (OSError, ValueError, SyntaxError):
        return False
