"""Pairs out of video files for benchmarks/dataloader.py: videomac's way against decord's.

All ways make the same: two normalised float pictures ``[3, 224, 224]`` of the same crop.
What counts is the time of the processor, in all threads, since a reader of decord takes
as many threads as there are cores unless it is told otherwise.
"""

from __future__ import annotations

import functools
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import clips
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from timing import alternate, median_ratio
from torch import Tensor
from torchvision import transforms as tv

from videomac.datasets import FramePairDataset

__all__ = ['compare_videos']

SIZE = 224
OURS = 'videomac'
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
to_tensor, normalise = tv.ToTensor(), tv.Normalize(MEAN, STD)
Frames = Sequence[NDArray[np.uint8]]
Way = Callable[[str, int], Frames]


def _reader(path: str, **options: int) -> Any:
    import decord

    return decord.VideoReader(path, **options)


def _naive(path: str, i: int) -> Frames:
    reader = _reader(path)
    return [reader[k].asnumpy() for k in (i, i + 1)]


def _naive_thread(path: str, i: int) -> Frames:
    reader = _reader(path, num_threads=1)
    return [reader[k].asnumpy() for k in (i, i + 1)]


def _batch(path: str, i: int) -> Frames:
    frames: Frames = _reader(path, num_threads=1).get_batch([i, i + 1]).asnumpy()
    return frames


def _each_its_own(path: str, i: int) -> Frames:
    return [_reader(path, num_threads=1)[k].asnumpy() for k in (i, i + 1)]


#: Ways to use decord, by what is printed of them.
WAYS: dict[str, Way] = {
    'r[i], r[i + 1]': _naive,
    'the same, one thread': _naive_thread,
    'get_batch, one thread': _batch,
    'a reader a frame, one thread': _each_its_own,
}


class _Clip:
    """A video file, and some of its pairs with a crop each."""

    def __init__(self, path: Path, number: int) -> None:
        self.path = str(path)
        pipeline: list[Any] = [
            {'type': 'FramesRandomResizedCrop', 'size': SIZE, 'scale': (0.2, 1.0)},
            {'type': 'PackFrames'},
        ]
        source = {'type': 'VideoFiles', 'paths': [self.path]}
        self.data = FramePairDataset(source, pipeline)
        # Spread evenly: how far a frame is from its key frame decides the time.
        self.starts = [int((k + 0.5) / number * len(self.data)) for k in range(number)]

    def pictures(self, i: int) -> Tensor:
        """Ours, as it goes to the device: uint8 ``[2, 3, 224, 224]``."""
        torch.default_generator.manual_seed(i)
        inputs: Tensor = self.data[i]['inputs']
        return inputs

    def ours(self) -> None:
        """Load all pairs; the data preprocessor's part is done here too."""
        mean, std = (torch.tensor(v).view(3, 1, 1) * 255 for v in (MEAN, STD))
        for i in self.starts:
            self.pictures(i).float().sub_(mean).div_(std)

    def crops(self, way: Way, i: int) -> list[Image.Image]:
        """The field's plain way with the frames of a reader."""
        frames = way(self.path, i)
        torch.default_generator.manual_seed(i)
        crop = self.data.pipeline.transforms[0]
        window = crop.draw_window(frames[0].shape[:2])
        bicubic = tv.InterpolationMode.BICUBIC
        resize = tv.functional.resized_crop
        images = [Image.fromarray(frame) for frame in frames]
        return [resize(image, *window, [SIZE, SIZE], bicubic) for image in images]

    def theirs(self, way: Way) -> None:
        """Load all pairs."""
        for i in self.starts:
            torch.stack([normalise(to_tensor(crop)) for crop in self.crops(way, i)])

    def difference(self) -> float:
        """Mean absolute difference of the pictures, of 255."""
        errors = []
        for i in self.starts:
            found = self.pictures(i).permute(0, 2, 3, 1).numpy().astype(int)
            expected = np.stack([np.asarray(crop) for crop in self.crops(_batch, i)])
            errors.append(float(np.abs(found - expected).mean()))
        return statistics.mean(errors)


def compare_videos(
    data: Path | None, rounds: int, key_frames: int = 0, number: int = 4
) -> None:
    """Time pairs of neighbouring frames out of video files.

    Args:
        data: $VIDEOMAC_DATA, or None.
        rounds: How often to time each way.
        key_frames: Encode the clips anew with a key frame so often; 0: as they are.
        number: Pairs of a clip.
    """
    print(f'| video | {OURS}, ms | difference | {" | ".join(WAYS)} |')
    print('|---' * (3 + len(WAYS)) + '|')
    ratios: dict[str, list[float]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        for path in clips.find_clips(data):
            if key_frames:
                path = clips.with_key_frames(path, Path(folder), key_frames)
            clip = _Clip(path, number)
            steps: dict[str, Callable[[], object]] = {OURS: clip.ours}
            for name, way in WAYS.items():
                steps[name] = functools.partial(clip.theirs, way)
            cpu, clock = torch.device('cpu'), time.process_time
            times, _ = alternate(steps, rounds, cpu, lambda: 0.0, 1, clock)
            fast = times[OURS]
            line = f'| {path.name} | {1e3 * statistics.median(fast) / number:.1f} '
            line += f'| {clip.difference():.2f} |'
            for name in WAYS:
                ratios[name].append(median_ratio(times[name], fast))
                line += f' {ratios[name][-1]:.2f} |'
            print(line, flush=True)
    means = (f'{statistics.geometric_mean(each):.2f}' for each in ratios.values())
    print(f'| geometric mean | | | {" | ".join(means)} |')
