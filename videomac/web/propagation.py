"""Objects followed through a clip, as files to show and to keep."""

from __future__ import annotations

import os
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ..apis import Progress, Propagation, Propagator
from ..apis.progress import Cancel
from ..datasets.label_maps import object_palette
from ..visualization.clips import ClipWriter
from ..visualization.overlay import overlay_masks
from .clips import Clip, check_clip
from .marks import editor_picture
from .models import load_network

__all__ = [
    'FPS',
    'Outcome',
    'Settings',
    'check_objects',
    'overlay',
    'propagate',
    'run',
    'zip_masks',
]

FPS = 12.0  # frames a second of the clips that are shown
STRIDE = 8  # pixels to a cell of the features, where the network can
MULTIPLE = 32  # pixels, to a multiple of which the input's long side is floored


@dataclass(frozen=True)
class Settings:
    """What people choose.

    Attributes:
        size: Short side of the network's input in pixels.
        radius: Cells that the window reaches; 0 for no window.
        topk: Number of candidates that vote.
        previous: Number of frames before the present one that are references.
    """

    size: int = 240
    radius: int = 12
    topk: int = 5
    previous: int = 7


@dataclass(frozen=True)
class Outcome:
    """Files of a run, and what to say of it.

    Attributes:
        video: The frames with their objects, MP4.
        masks: ZIP of palette PNGs.
        text: A sentence or two.
    """

    video: Path
    masks: Path
    text: str


def check_objects(clip: Clip | None, ids: NDArray[np.uint8] | None) -> None:
    """Check that there is something to follow.

    Raises:
        ValueError: If there is no clip, or one frame, or no object; says what to do.
    """
    clip = check_clip(clip)
    if len(clip) < 2:
        raise ValueError(
            f"'{clip.name}' is one picture; to follow objects it takes two frames at "
            'least: choose a video, or more of its frames'
        )
    if ids is None or not ids.any():
        raise ValueError('nothing is marked: paint or click an object on the first frame')


def run(
    clip: Clip,
    ids: NDArray[np.uint8],
    source: str,
    settings: Settings,
    progress: bool | Callable[[Progress], None] = False,
    cancel: Cancel | None = None,
) -> Propagation:
    """Propagate objects with a network of :func:`~videomac.web.models.find_models`.

    Raises:
        FileNotFoundError: If the network's file is gone.
        ValueError: If clip, objects, network or settings are not fit for it.
    """
    check_objects(clip, ids)
    network = load_network(source)
    try:
        propagator = _propagator(network, clip, settings, STRIDE)
    except ValueError as error:
        if 'output stride' not in str(error):
            raise
        propagator = _propagator(network, clip, settings, None)
    return propagator(clip.frames, ids, progress=progress, cancel=cancel)


def _propagator(
    network: nn.Module, clip: Clip, settings: Settings, stride: int | None
) -> Propagator:
    return Propagator(
        network,
        stride=stride,
        # Enlarging small clips further would cost time and bring no detail.
        size=min(settings.size, 2 * min(clip.size)),
        multiple=MULTIPLE,
        radius=settings.radius or None,
        topk=settings.topk,
        previous=settings.previous,
    )


def propagate(
    clip: Clip,
    ids: NDArray[np.uint8],
    source: str,
    settings: Settings,
    folder: str | os.PathLike[str],
    progress: bool | Callable[[Progress], None] = False,
    cancel: Cancel | None = None,
) -> Outcome:
    """Propagate objects and write the results.

    Args:
        clip: Two frames or more.
        ids: Objects of the first frame, uint8 [H, W].
        source: Value of :func:`~videomac.web.models.find_models`.
        settings: What people choose.
        folder: Where to write; its files of the same names are replaced.
        progress: See :class:`~videomac.apis.Propagator`.
        cancel: Stops it after a frame; what is done is written.

    Raises:
        FileNotFoundError: If the network's file is gone.
        ValueError: If clip, objects, network or settings are not fit for it.
    """
    start = time.perf_counter()
    result = run(clip, ids, source, settings, progress, cancel)
    stem = Path(clip.name).stem
    writer = ClipWriter(Path(folder, f'{stem}_overlay'), len(result), FPS)
    for index in range(len(result)):
        writer.add(overlay(result, index))
    video = writer.close()
    masks = zip_masks(result, Path(folder, f'{stem}_masks.zip'))
    seconds = time.perf_counter() - start
    count = len(np.unique(ids[ids > 0]))
    objects = '1 object' if count == 1 else f'{count} objects'
    text = f'{objects} followed through {len(result)} frames in {seconds:.1f} s.'
    if result.cancelled:
        text = f'Stopped after {len(result)} of {len(clip)} frames. {text}'
    return Outcome(video, masks, text)


def overlay(result: Propagation, index: int) -> NDArray[np.uint8]:
    """Draw the objects on a frame, enlarged as for painting where it is small.

    Returns:
        RGB, uint8 in 0..255, [h, w, 3].
    """
    assert result.masks is not None
    frame, ids = editor_picture(result.frames[index]), result.masks[index]
    scale = len(frame) // len(ids)
    return overlay_masks(frame, ids.repeat(scale, 0).repeat(scale, 1), object_palette())


def zip_masks(result: Propagation, path: Path) -> Path:
    """Write the masks as palette PNGs ``00000.png`` and so on into a ZIP."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path, 'w') as archive:
        for file in result.save_masks(folder):
            archive.write(file, file.name)  # PNGs are compressed already
    return path
