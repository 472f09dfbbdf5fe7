"""What a model is given in training: frames, their shared crops, and the masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ..datasets import FramePairDataset
from ..datasets.transforms import FramesRandomResizedCrop
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
        indices: Numbers of the frames in it.
        frames: The whole frames, uint8 [T, H, W, 3].
        window: Top, left, height and width of the crop in them, in pixels; None if the
            pipeline does not begin with a random crop.
        inputs: What the pipeline makes of them, uint8 [T, h, w, 3].
        visible: Which pixels the encoder sees, bool [T, h, w]; None without masks.
    """

    video: str
    indices: tuple[int, ...]
    frames: Picture
    window: Window | None
    inputs: Picture
    visible: NDArray[np.bool_] | None


def training_samples(
    dataset: FramePairDataset,
    index: int,
    masking: Callable[..., Any] | None = None,
    seed: int = 0,
) -> list[TrainingSample]:
    """Read a sample as a worker of the data loader does.

    Args:
        dataset: The training data.
        index: Number of the sample.
        masking: The masking generator of the model.
        seed: Of crops, flips and masks; torch's generator is left as it was.

    Returns:
        One; as many as the data set's ``repeats`` if that is above 1.

    Raises:
        IndexError: There is no such sample.
        UnreadableVideoError: The frames cannot be read.
    """
    video, indices = dataset.locate(index)
    frames = np.ascontiguousarray(dataset.source.read(video, indices))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        windows = _windows(dataset, frames)
        torch.manual_seed(seed)  # again, for what really happens
        read = dataset[index]
        items = read if isinstance(read, list) else [read]
        found = []
        for window, item in zip(windows, items, strict=True):
            inputs = item['inputs']
            visible = None
            if masking is not None:
                size = (int(inputs.shape[-2]), int(inputs.shape[-1]))
                grids = masking(1, size, len(inputs), 'cpu')
                visible = np.stack(
                    [g.cell_mask(g.patch_size, g.patch_size)[0].numpy() for g in grids]
                )
            pixels = inputs.permute(0, 2, 3, 1).contiguous().numpy()
            found.append(
                TrainingSample(
                    video.name, tuple(indices), frames, window, pixels, visible
                )
            )
    return found


def _windows(dataset: FramePairDataset, frames: Picture) -> list[Window | None]:
    """The windows that the pipeline will draw from the present random state."""
    first = dataset.pipeline.transforms[0] if dataset.pipeline.transforms else None
    if not isinstance(first, FramesRandomResizedCrop):
        return [None] * dataset.repeats
    windows: list[Window | None] = []
    tensor = torch.from_numpy(frames).permute(0, 3, 1, 2)
    for _ in range(dataset.repeats):
        state = torch.get_rng_state()
        windows.append(first.draw_window((frames.shape[1], frames.shape[2])))
        if dataset.repeats > 1:  # draws what comes before the next window
            torch.set_rng_state(state)
            dataset.pipeline({'frames': tensor, 'video': '', 'frame_indices': []})
    return windows


def sample_sheet(samples: Sequence[TrainingSample]) -> Picture:
    """Draw samples one below the other.

    In a row are the whole frames with the window that was cut out, then what the model
    is given, then what its encoder sees of that.

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
    whole = [_framed(frame, sample.window) for frame in sample.frames]
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
    if sample.window is not None:
        top, left, high, wide = sample.window
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


def _framed(frame: Picture, window: Window | None) -> Picture:
    """Mark a window in a frame."""
    if window is None:
        return frame
    top, left, height, width = window
    line = max(1, round(min(frame.shape[:2]) / 100))
    corner = (left + width - 1, top + height - 1)
    marked = cv2.rectangle(frame.copy(), (left, top), corner, (0, 0, 0), line + 2)
    return np.asarray(cv2.rectangle(marked, (left, top), corner, FRAME, line), np.uint8)


def _fit(picture: Picture, height: int) -> Image.Image:
    """Bring a picture to a height."""
    width = max(1, round(picture.shape[1] * height / picture.shape[0]))
    image = Image.fromarray(np.ascontiguousarray(picture))
    if image.size == (width, height):
        return image
    small = image.height < height
    kind = Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS
    return image.resize((width, height), kind)
