"""What a model is given in training: frames, their shared crops, and the masks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.dataset import Compose
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ..datasets import FramePairDataset
from ..datasets.sources import EncodedFrames
from ..utils.randomness import seeded
from .reconstruction import GREY

__all__ = ['TrainingSample', 'sample_sheet', 'training_samples']

Picture = NDArray[np.uint8]
Window = tuple[int, int, int, int]

GAP, WIDE_GAP, CAPTION, TITLE_SIZE = 4, 14, 24, 14  # pixels
DARK = (32, 32, 32)
FRAME = (230, 159, 0)  # of the window; orange of Okabe and Ito
LEAST_HEIGHT = 160  # pixels of a picture on the sheet


@dataclass(frozen=True, eq=False)
class TrainingSample:
    """A sample as the model gets it.

    Attributes:
        video: Name of the video.
        indices: Numbers of the N frames in it.
        frames: The whole frames, uint8 [N, H, W, 3].
        windows: Top, left, height and width of each crop in them, in pixels; none if
            the pipeline does not begin with a random crop.
        inputs: What the pipeline makes of them, uint8 [T, h, w, 3]; T is N unless it
            makes several views of a frame.
        visible: Which pixels the encoder sees, bool [T, h, w]; None without masks.
    """

    video: str
    indices: tuple[int, ...]
    frames: Picture
    windows: tuple[Window, ...]
    inputs: Picture
    visible: NDArray[np.bool_] | None


def training_samples(
    dataset: FramePairDataset,
    index: int,
    masking: Callable[..., Any] | None = None,
    seed: int = 0,
    masked_frame: int | None = None,
) -> list[TrainingSample]:
    """Read a sample as a worker of the data loader does.

    Args:
        dataset: The training data.
        index: Number of the sample.
        masking: The masking generator of the model.
        seed: Of gaps, crops, flips and masks; torch's generator is left as it was.
        masked_frame: The only frame that the model masks; None for all of them.

    Returns:
        One; as many as the data set's ``repeats`` if that is above 1.

    Raises:
        IndexError: There is no such sample.
        UnreadableVideoError: The frames cannot be read.
    """
    watched = copy.copy(dataset)
    watched.pipeline = noting = _NotingPipeline(dataset.pipeline.transforms)
    with seeded(seed):
        read = watched.read(index)
        items = read if isinstance(read, list) else [read]
        found = []
        for given, item in zip(noting.given, items, strict=True):
            inputs = item['inputs']
            visible = None
            if masking is not None:
                visible = _visible(masking, inputs.shape, masked_frame)
            pixels = inputs.permute(0, 2, 3, 1).contiguous().numpy()
            found.append(TrainingSample(**given, inputs=pixels, visible=visible))
    return found


class _NotingPipeline(Compose):
    """A pipeline that notes what it is given, and what its first step cuts out."""

    def __init__(self, transforms: Sequence[Callable[..., Any]]) -> None:
        super().__init__(transforms)
        self.given: list[dict[str, Any]] = []

    def __call__(self, results: dict[str, Any]) -> Any:
        """Run the steps."""
        frames = results['frames']
        if isinstance(frames, EncodedFrames):
            # A copy: what is decoded whole would not be decoded in part any more.
            frames = EncodedFrames(frames.paths, frames.files).decode()
        notes = dict(
            video=results['video'],
            indices=tuple(results['frame_indices']),
            frames=frames.permute(0, 2, 3, 1).numpy().copy(),
            windows=(),
        )
        self.given.append(notes)
        for number, step in enumerate(self.transforms):
            results = step(results)
            if number == 0:
                notes['windows'] = tuple(results.get('windows', ()))
        return results


def _visible(
    masking: Callable[..., Any], shape: Sequence[int], masked_frame: int | None
) -> NDArray[np.bool_]:
    """Draw masks for inputs of a shape [T, 3, h, w]; True is visible, [T, h, w]."""
    size = (int(shape[-2]), int(shape[-1]))
    frames = range(shape[0]) if masked_frame is None else [masked_frame]
    visible = np.ones((shape[0], *size), bool)
    grids = masking(1, size, len(frames), 'cpu')
    for frame, grid in zip(frames, grids, strict=True):
        visible[frame] = grid.cell_mask(grid.patch_size, grid.patch_size)[0].numpy()
    return visible


def sample_sheet(samples: Sequence[TrainingSample]) -> Picture:
    """Draw samples one below the other.

    In a row are the whole frames with what was cut out of them, then what the model is
    given, then what its encoder sees of that.

    Raises:
        ValueError: There is no sample.
    """
    if not samples:
        raise ValueError('there is no sample to draw: choose at least one')
    rows = [_row(sample) for sample in samples]
    width = max(row.width for row in rows)
    height = sum(row.height for row in rows) + WIDE_GAP * (len(rows) - 1)
    canvas = Image.new('RGB', (width, height), 'white')
    top = 0
    for row in rows:
        canvas.paste(row, (0, top))
        top += row.height + WIDE_GAP
    return np.asarray(canvas)


def _row(sample: TrainingSample) -> Image.Image:
    """One sample under its caption."""
    tall = max(LEAST_HEIGHT, sample.inputs.shape[1])
    whole = [_framed(frame, sample.windows) for frame in sample.frames]
    groups = [('whole frames', whole), ('input', list(sample.inputs))]
    if sample.visible is not None:
        seen = np.where(sample.visible[..., None], sample.inputs, round(255 * GREY))
        groups.append(('seen by the encoder', list(seen.astype(np.uint8))))
    font = ImageFont.load_default(TITLE_SIZE)
    parts = [(title, [_fit(p, tall) for p in pictures]) for title, pictures in groups]
    width = sum(p.width + GAP for _, row in parts for p in row) + WIDE_GAP * len(parts)
    canvas = Image.new('RGB', (width, 2 * CAPTION + tall), 'white')
    draw = ImageDraw.Draw(canvas)
    frames = ', '.join(map(str, sample.indices))
    place = Path(sample.video)
    name = place.name if place.is_absolute() else sample.video
    caption = f'{name}: frames {frames}'
    for top, left, high, wide in sample.windows:
        caption += f'; {wide} x {high} pixels from ({left}, {top})'
    draw.text((0, CAPTION / 2), caption, DARK, font, 'lm')
    left = 0
    for title, row in parts:
        draw.text((left, 1.5 * CAPTION), title, DARK, font, 'lm')
        for picture in row:
            canvas.paste(picture, (left, 2 * CAPTION))
            left += picture.width + GAP
        left += WIDE_GAP
    return canvas.crop((0, 0, left - WIDE_GAP - GAP, canvas.height))


def _framed(frame: Picture, windows: Sequence[Window]) -> Picture:
    """Mark windows in a frame."""
    line = max(1, round(min(frame.shape[:2]) / 100))
    marked = frame.copy()
    for top, left, height, width in windows:
        corner = (left + width - 1, top + height - 1)
        cv2.rectangle(marked, (left, top), corner, (0, 0, 0), line + 2)
        cv2.rectangle(marked, (left, top), corner, FRAME, line)
    return marked


def _fit(picture: Picture, height: int) -> Image.Image:
    """Bring a picture to a height."""
    width = max(1, round(picture.shape[1] * height / picture.shape[0]))
    image = Image.fromarray(np.ascontiguousarray(picture))
    if image.size == (width, height):
        return image
    small = image.height < height
    kind = Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS
    return image.resize((width, height), kind)
