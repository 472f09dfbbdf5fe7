"""Two networks at the same work, side by side."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ..apis import Progress, Propagation
from ..apis.progress import Cancel, Tracker
from ..visualization.clips import ClipWriter
from .clips import Clip
from .propagation import FPS, Settings, check_objects, run
from .propagation import overlay as draw
from .reconstruction import Pictures, reconstruct_frame

__all__ = ['compare_propagation', 'compare_reconstruction', 'overlap', 'side_by_side']

GAP = 6  # pixels between the halves
CAPTION = 24  # pixels for the names
TEXT = 14  # pixels


def compare_propagation(
    clip: Clip,
    ids: NDArray[np.uint8],
    sources: tuple[str, str],
    names: tuple[str, str],
    settings: Settings,
    folder: str | os.PathLike[str],
    progress: Callable[[Progress], None] | None = None,
    cancel: Cancel | None = None,
) -> tuple[Path, str]:
    """Follow the same objects with two networks.

    Args:
        clip: Two frames or more.
        ids: Objects of the first frame, uint8 [H, W].
        sources: Values of :func:`~videomac.web.models.find_models`.
        names: What to write above the halves.
        settings: For both.
        folder: Where to write.
        progress: Gets the progress over the frames of both.
        cancel: Stops after a frame; of the rest nothing is shown.

    Returns:
        An MP4 of the frames that both have done, and what to say of it.

    Raises:
        FileNotFoundError: If a network's file is gone.
        ValueError: If something is not fit for it, or it was stopped before the second
            network began.
    """
    check_objects(clip, ids)
    start = time.monotonic()
    tracker = Tracker(2 * len(clip), False, cancel)

    def report(state: Progress) -> None:
        tracker.step()
        if progress is not None:
            seconds = time.monotonic() - start
            progress(
                replace(state, done=tracker.done, total=tracker.total, seconds=seconds)
            )

    results = []
    for source in sources:
        if tracker.cancelled:
            raise ValueError(
                'stopped before the second network began: nothing to compare'
            )
        results.append(run(clip, ids, source, settings, report, cancel))
    count = min(len(result) for result in results)
    writer = ClipWriter(Path(folder, f'{Path(clip.name).stem}_compared'), count, FPS)
    for index in range(count):
        writer.add(side_by_side([draw(each, index) for each in results], names))
    shown = f'{count} frames side by side.'
    if count < len(clip):
        shown = f'Stopped after {count} of {len(clip)} frames.'
    return writer.close(), f'{shown} {_agreement(results, count)}'


def compare_reconstruction(
    clip: Clip | None,
    index: int,
    sources: tuple[str, str],
    ratio: float = 0.75,
    seed: int = 0,
) -> tuple[Pictures, Pictures]:
    """Let two models fill in the same frame.

    Equal seeds hide equal patches if both divide the frame into as many.

    Raises:
        FileNotFoundError: If a model's file is gone.
        ValueError: If there is no such frame, or a model is no VideoMAC.
    """
    first, second = (
        reconstruct_frame(clip, index, source, ratio, seed) for source in sources
    )
    return first, second


def overlap(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Mean over the objects of intersection over union of two label maps of one shape.

    Objects that are in neither are left out; without any object it is 1.
    """
    ids = np.union1d(first, second)
    scores = [
        ((first == i) & (second == i)).sum() / ((first == i) | (second == i)).sum()
        for i in ids[ids > 0]
    ]
    return float(np.mean(scores)) if scores else 1.0


def side_by_side(
    pictures: Sequence[NDArray[np.uint8]], names: Sequence[str]
) -> NDArray[np.uint8]:
    """Put pictures of one size beside each other under their names.

    Args:
        pictures: RGB, uint8 in 0..255, [H, W, 3].
        names: One for each; cut from the left where they are too long.

    Returns:
        RGB, uint8, [H + CAPTION, n * W + (n - 1) * GAP, 3].
    """
    height, width = pictures[0].shape[:2]
    total = len(pictures) * width + (len(pictures) - 1) * GAP
    canvas = Image.new('RGB', (total, height + CAPTION), 'white')
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(TEXT)
    for i, (picture, name) in enumerate(zip(pictures, names, strict=True)):
        left = i * (width + GAP)
        text = name
        while len(text) > 4 and draw.textlength(text, font) > width - 4:
            text = f'...{text[4:]}' if text.startswith('...') else f'...{text[1:]}'
        draw.text(
            (left + 2, CAPTION / 2), text, fill=(32, 32, 32), font=font, anchor='lm'
        )
        canvas.paste(Image.fromarray(picture), (left, CAPTION))
    return np.asarray(canvas)


def _agreement(results: Sequence[Propagation], count: int) -> str:
    """Say how alike two propagations are after the first frame, which was given."""
    first, second = (each.masks for each in results)
    assert first is not None
    assert second is not None
    scores = [overlap(first[i], second[i]) for i in range(1, count)]
    if not scores:
        return 'Only the marked frame was done.'
    return (
        f'The two agree in {np.mean(scores):.0%} of the marked area on average '
        f'(intersection over union), in {scores[-1]:.0%} in the last frame.'
    )
