#!/usr/bin/env python
"""Propagate masks or points of a video's first frame, and draw them over all frames."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from videomac.apis import Propagator, open_video
from videomac.apis.mask_folder import check_mask_folder, pictures_in
from videomac.apis.propagation_result import Propagation
from videomac.datasets.label_maps import VOID
from videomac.datasets.video_input import Frames
from videomac.utils.frame_range import frame_range
from videomac.utils.output_files import check_writable, refuse_inputs
from videomac.utils.quiet import quiet_log
from videomac.visualization import save_image
from videomac.visualization.clips import ClipWriter
from videomac.visualization.reconstruction import side_by_side

STRIP = 5
WIDTH = 1600  # pixels of the strip at most


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('video', help='video file or folder of frames')
    add(
        'backbone',
        help="checkpoint, 'timm:NAME', 'mmpretrain:NAME', or, with --config, 'none' for "
        'random weights',
    )
    add(
        '--mask',
        help='palette PNG of the first frame that is taken, of its size',
    )
    add(
        '--box',
        nargs=4,
        type=int,
        action='append',
        metavar=('X0', 'Y0', 'X1', 'Y1'),
        help='instead of a mask: an object in pixels of the first frame; may be repeated',
    )
    add(
        '--point',
        nargs=2,
        type=float,
        action='append',
        metavar=('X', 'Y'),
        help='instead of a mask: a point to follow; may be repeated',
    )
    add('--config', help='of configs/propagation, for settings and encoder')
    add(
        '--out',
        default='propagation',
        help='stem of the files, which take the place of older ones [%(default)s]',
    )
    add('--gif', action='store_true', help='write a GIF rather than an MP4')
    add(
        '--frames',
        type=frame_range,
        metavar='START:STOP:STEP',
        help='frames to take, as a slice of Python [all]',
    )
    add('--strip', type=int, default=STRIP, help='frames of the strip [%(default)s]')
    add('--fps', type=float, default=12.0, help='of the clip [%(default)s]')
    add('--size', type=int, help='short side of the network input in pixels [480]')
    add('--stage', type=int, nargs='+', help='stage or stages of the features [last]')
    add('--stride', type=int, help='pixels to a cell of the features [8]')
    add('--topk', type=int, help='neighbours that a cell takes its label from')
    add('--device', help='where to compute [a GPU if there is one]')
    return parser


def build_propagator(args: argparse.Namespace) -> Propagator:
    """Make the propagator with what the command line says."""
    given = {name: getattr(args, name) for name in ('size', 'stage', 'stride', 'topk')}
    settings: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
    if args.config is None:
        if args.backbone == 'none':
            raise ValueError("'none' is for random weights of the encoder of a --config")
        return Propagator(args.backbone, device=args.device, **settings)
    if settings:
        raise ValueError(f'--config has its own {", ".join(settings)}: give either')
    return Propagator.from_config(args.config, args.backbone, device=args.device)


def first_labels(args: argparse.Namespace, size: tuple[int, int]) -> dict[str, Any]:
    """The labels of the first frame, as the propagator takes them.

    Raises:
        ValueError: There are none, several kinds, or a box lies outside.
    """
    kinds = [name for name in ('mask', 'box', 'point') if getattr(args, name)]
    if len(kinds) != 1:
        raise ValueError(
            'give one of --mask, --box and --point'
            + (f', not {" and ".join(kinds)}' if kinds else '')
        )
    if args.mask:
        return dict(first_mask=args.mask)
    if args.point:
        return dict(points=args.point)
    return dict(first_mask=fill_boxes(args.box, size))


def fill_boxes(
    boxes: Sequence[Sequence[int]], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Draw boxes as the ids 1, 2 and so on, later ones over earlier ones.

    Returns:
        Ids, uint8 [H, W].

    Raises:
        ValueError: There are too many, one lies outside, or nothing is left of it.
    """
    if len(boxes) >= VOID:
        raise ValueError(
            f'at most {VOID - 1} objects can be told apart, got {len(boxes)}'
        )
    ids = np.zeros(size, np.uint8)
    for number, (x0, y0, x1, y1) in enumerate(boxes, 1):
        if not (0 <= x0 < x1 <= size[1] and 0 <= y0 < y1 <= size[0]):
            raise ValueError(
                f'--box {x0} {y0} {x1} {y1} must be X0 < X1 <= {size[1]} and Y0 < Y1 <= '
                f'{size[0]}, within the frame'
            )
        ids[y0:y1, x0:x1] = number
    for number, box in enumerate(boxes, 1):
        if not (ids == number).any():
            corners = ' '.join(map(str, box))
            raise ValueError(
                f'--box {corners} is covered by later ones: give it after them'
            )
    return ids


def strip(result: Propagation, count: int) -> NDArray[np.uint8]:
    """Frames with their labels side by side, spread evenly over the video."""
    last = len(result) - 1
    indices = sorted({round(i) for i in np.linspace(0, last, min(count, last + 1))})
    pictures = [result.overlay(index) for index in indices]
    height, width = pictures[0].shape[:2]
    scale = min(1.0, WIDTH / (width * len(pictures)))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if scale < 1:
        pictures = [
            np.asarray(cv2.resize(p, size, interpolation=cv2.INTER_AREA), np.uint8)
            for p in pictures
        ]
    return side_by_side(pictures)


def check_outputs(args: argparse.Namespace, clip: Path, video: Frames) -> None:
    """Check that the files can be written, and over nothing but those of earlier runs.

    Raises:
        OSError: They cannot.
        ValueError: There is the input, or other pictures among the masks.
    """
    check_writable(clip.parent)
    outputs, inputs = [clip, Path(f'{args.out}_strip.png')], [*video.files]
    folder = Path(f'{args.out}_masks')
    if not args.point:
        outputs += pictures_in(folder)
    if args.mask:
        inputs.append(Path(args.mask))
    refuse_inputs(outputs, inputs, 'name another --out')
    if not args.point:
        check_mask_folder(folder)


def draw(args: argparse.Namespace) -> str:
    """Propagate and draw.

    Returns:
        What there is to say.
    """
    if args.strip < 1:
        raise ValueError(f'--strip must be at least 1, got {args.strip}')
    video = open_video(args.video, args.frames)
    labels = first_labels(args, video.size)
    clip = ClipWriter(args.out, len(video), args.fps, mp4=False if args.gif else None)
    check_outputs(args, clip.path, video)
    result = build_propagator(args)(video, **labels)
    for index in range(len(result)):
        clip.add(result.overlay(index))
    made = [str(clip.close()), f'{args.out}_strip.png']
    save_image(made[1], strip(result, args.strip))
    if result.masks is not None:
        folder = Path(f'{args.out}_masks')
        result.save_masks(folder)
        made.append(f'{folder}/')
    return f'{len(result)} frames\nWrote {", ".join(made)}'


@quiet_log(logging.INFO)
def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line, propagate and draw."""
    args = build_parser().parse_args(argv)
    try:
        print(draw(args))
    except (ImportError, OSError, ValueError) as error:
        raise SystemExit(f'vis_propagation.py: {error}') from None


if __name__ == '__main__':
    main()
