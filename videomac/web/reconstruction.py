"""One frame hidden and filled in again, as pictures to show."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..apis import Reconstruction
from .clips import Clip, check_clip
from .models import load_reconstructor

__all__ = ['Pictures', 'Visible', 'patch_sizes', 'reconstruct_frame', 'toggle_patch']

Visible = NDArray[np.bool_]
SHOWN_SIDE = 384  # pixels that the short side of a picture on the page has at least
CHOICES = 4  # patch sizes to choose from


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures of a frame, enlarged by a whole number, RGB uint8 [h, w, 3].

    Attributes:
        original: The frame as the model gets it.
        masked: With hidden patches in grey.
        prediction: Every patch as predicted.
        pasted: The prediction where patches are hidden.
        visible: Which patches are shown, bool [rows, cols].
    """

    original: NDArray[np.uint8]
    masked: NDArray[np.uint8]
    prediction: NDArray[np.uint8]
    pasted: NDArray[np.uint8]
    visible: Visible

    @property
    def text(self) -> str:
        """Say how much is hidden."""
        hidden = int((~self.visible).sum())
        rows, cols = self.visible.shape
        return f'{hidden} of {rows * cols} patches are hidden ({cols} x {rows}).'


def patch_sizes(source: str) -> tuple[list[int], int]:
    """List sides of patches that a model can work on, in pixels.

    Returns:
        The sides, smallest first, and that of its training.

    Raises:
        FileNotFoundError: If the model's file is gone.
        ValueError: If it is no VideoMAC.
    """
    model = load_reconstructor(source).model
    cell = int(model.decoder.cell_size)  # type: ignore[arg-type]
    own = int(model.masking.patch_size)
    return sorted({own, *(cell * i for i in range(1, CHOICES + 1))}), own


def reconstruct_frame(
    clip: Clip | None,
    index: int,
    source: str,
    ratio: float = 0.75,
    seed: int = 0,
    patch_size: int | None = None,
    visible: Visible | None = None,
) -> Pictures:
    """Hide patches of a frame and let a model fill them in.

    Args:
        clip: Has the frame.
        index: Number of the frame, from 0.
        source: Value of :func:`~videomac.web.models.find_models`.
        ratio: Share of the patches that is hidden, in (0, 1).
        seed: Of random masks.
        patch_size: Side in pixels [that of training].
        visible: The patches to show instead of random ones, bool [rows, cols].

    Raises:
        FileNotFoundError: If the model's file is gone.
        ValueError: If there is no clip or no such frame, or an argument does not fit.
    """
    clip = check_clip(clip)
    if not 0 <= index < len(clip):
        raise ValueError(
            f"'{clip.name}' has the frames 0 to {len(clip) - 1}, not {index}"
        )
    reconstructor = load_reconstructor(source)
    result = reconstructor(
        clip.frames[index : index + 1],
        mask_ratio=ratio if visible is None else None,
        patch_size=patch_size,
        visible=visible,
        seed=seed,
        progress=False,
    )
    return _enlarged(result)


def toggle_patch(
    visible: Visible, place: tuple[float, float], size: tuple[int, int]
) -> Visible:
    """Hide a patch that is shown, or show one that is hidden.

    Args:
        visible: Bool [rows, cols].
        place: x and y of a click in pixels of the picture.
        size: Height and width of the picture.

    Returns:
        A new mask; the same one if the patch was the last that is shown.
    """
    rows, cols = visible.shape
    row = min(max(int(place[1] * rows / size[0]), 0), rows - 1)
    col = min(max(int(place[0] * cols / size[1]), 0), cols - 1)
    new = visible.copy()
    new[row, col] = not visible[row, col]
    return new if new.any() else visible


def _enlarged(result: Reconstruction) -> Pictures:
    """The pictures of the only frame."""
    height, width = result.original.shape[1:3]
    scale = max(1, -(-SHOWN_SIDE // min(height, width)))
    size = width * scale, height * scale

    def enlarge(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
        # Each pixel stays what it is: patches keep their edges.
        larger = cv2.resize(pictures[0], size, interpolation=cv2.INTER_NEAREST)
        return np.asarray(larger, np.uint8)

    return Pictures(
        enlarge(result.original),
        enlarge(result.masked),
        enlarge(result.prediction),
        enlarge(result.pasted),
        result.visible[0],
    )
