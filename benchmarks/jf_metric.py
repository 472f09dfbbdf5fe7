#!/usr/bin/env python
"""Time videomac's J and F against a plain statement of them, side by side.

Both score the same frames in turn, in one process, without reading files. The plain one
goes object by object over the whole picture; it dilates by the disk once with SciPy, to
which scikit-image's ``binary_dilation`` hands over, and once with OpenCV, as the official
toolkit does by now.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.plain_jf import dilate_cv2, dilate_scipy, score_object
from videomac.datasets.label_maps import read_label_map
from videomac.evaluation.jf import score_frame

Ids = NDArray[np.uint8]
Scores = NDArray[np.float64]
Frame = tuple[str, Ids, Ids]


def real_frames(root: Path, number: int) -> list[Frame]:
    """Frames of DAVIS-2017 with predictions of OSVOS, evenly over the sequences."""
    paths = sorted((root / 'osvos_predictions').glob('*/*.png'))
    step = max(1, len(paths) // number)
    frames = []
    for path in paths[step // 2 :: step][:number]:
        truth = root / 'Annotations' / '480p' / path.parent.name / path.name
        label = f'{path.parent.name}/{path.stem}'
        frames.append((label, read_label_map(path), read_label_map(truth)))
    return frames


def drawn_frames(objects: int, number: int, size: tuple[int, int]) -> list[Frame]:
    """Frames with blobs of wavy outline, predicted with another wave."""
    rng = np.random.default_rng(0)
    frames = []
    for i in range(number):
        prediction, truth = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
        for k in range(1, objects + 1):
            centre = rng.uniform(0.2, 0.8, 2) * size[::-1]
            radius = rng.uniform(0.1, 0.25) * min(size)
            for ids in (prediction, truth):
                angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
                waves = rng.normal(0, 0.04, (6, 2))
                wave = sum(
                    a * np.sin(n * angle) + b * np.cos(n * angle)
                    for n, (a, b) in enumerate(waves, 1)
                )
                line = np.stack((np.cos(angle), np.sin(angle)), 1)
                points = centre + radius * (1 + wave)[:, None] * line
                cv2.fillPoly(ids, [points.astype(np.int32)], k)
        frames.append((f'drawn {i}', prediction, truth))
    return frames


def plain_scores(
    frame: Frame, objects: int, dilate: Callable[..., NDArray[np.bool_]]
) -> Scores:
    """J and F of all objects, ``[2, K]``, the plain way."""
    _, prediction, truth = frame
    pairs = [
        score_object(prediction == k, truth == k, dilate) for k in range(1, objects + 1)
    ]
    return np.array(pairs).T


#: Ways to score a frame of so many objects; the first is ours.
WAYS: dict[str, Callable[[Frame, int], Scores]] = {
    'videomac': lambda frame, n: np.stack(score_frame(frame[1], frame[2], n)),
    'OpenCV': lambda frame, n: plain_scores(frame, n, dilate_cv2),
    'SciPy': lambda frame, n: plain_scores(frame, n, dilate_scipy),
}


def compare(name: str, frames: Sequence[Frame], rounds: int) -> float:
    """Print the times per frame and the ratios; returns the largest difference."""
    objects = [int(truth.max()) for _, _, truth in frames]
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    worst = 0.0
    for frame, number in zip(frames, objects, strict=True):
        scores = [run(frame, number) for run in WAYS.values()]  # warms up, too
        worst = max(worst, *(np.abs(other - scores[0]).max() for other in scores[1:]))
        for way, run in WAYS.items():
            taken = []
            for _ in range(rounds):
                start = time.perf_counter()
                run(frame, number)
                taken.append(time.perf_counter() - start)
            times[way].append(min(taken))
    size = 'x'.join(map(str, frames[0][1].shape))
    print(f'{name}: {len(frames)} frames of {size}, {np.mean(objects):g} objects')
    ours, *others = (np.array(taken) for taken in times.values())
    print(f'  videomac             {1e3 * np.median(ours):8.2f} ms a frame')
    for way, plain in zip(list(WAYS)[1:], others, strict=True):
        print(
            f'  plain, disk by {way:6}{1e3 * np.median(plain):8.2f} ms a frame, '
            f'{np.median(plain / ours):.1f} times as long'
        )
    print(f'  largest difference   {worst:.1e}')
    return worst


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('--frames', type=int, default=12, help='frames of each kind [12]')
    add('--rounds', type=int, default=3, help='the fastest of so many counts [3]')
    add(
        '--data',
        type=Path,
        default=os.environ.get('VIDEOMAC_DATA'),
        help='folder that holds davis2017 [$VIDEOMAC_DATA]; drawn masks alone without',
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line, time and compare."""
    args = build_parser().parse_args(argv)
    cv2.setNumThreads(1)
    kinds = {'drawn': drawn_frames(3, args.frames, (480, 854))}
    kinds['drawn, one object'] = drawn_frames(1, args.frames, (480, 854))
    if args.data is not None and (args.data / 'davis2017').is_dir():
        kinds['DAVIS, OSVOS'] = real_frames(args.data / 'davis2017', args.frames)
    worst = max(compare(name, frames, args.rounds) for name, frames in kinds.items())
    if worst > 1e-9:
        raise SystemExit(f'jf_metric.py: the scores differ by {worst:.1e}, allowed 1e-9')


if __name__ == '__main__':
    main()
