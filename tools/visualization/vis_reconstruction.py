#!/usr/bin/env python
"""Draw frames, what a pre-trained model sees of them, and what it makes of that."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from videomac.apis import Reconstructor, open_video
from videomac.apis.reconstruction import Reconstruction
from videomac.datasets.video_input import Frames
from videomac.utils.frame_range import frame_range
from videomac.utils.output_files import check_writable, refuse_inputs
from videomac.utils.quiet import quiet_log
from videomac.visualization import save_image
from videomac.visualization.clips import check_fps, clip_path

ROWS = 6


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('video', help='video file, folder of frames, or picture')
    add('checkpoint', help='of a pre-training run')
    add('--config', help="of the run, if the checkpoint does not carry it [the run's]")
    add(
        '--out',
        default='reconstruction',
        help='stem of the files: .png for the grid, .mp4 for the clip [%(default)s]',
    )
    add(
        '--frames',
        type=frame_range,
        metavar='START:STOP:STEP',
        help='frames to take, as a slice of Python [all]',
    )
    add(
        '--rows',
        type=int,
        default=ROWS,
        help='frames in the grid at most, spread evenly [%(default)s]',
    )
    add('--no-clip', action='store_true', help='draw the grid only')
    add('--fps', type=float, default=12.0, help='of the clip [%(default)s]')
    add('--mask-ratio', type=float, help="share of hidden patches [the model's]")
    add('--patch-size', type=int, help="in pixels [the model's]")
    add(
        '--same-mask',
        action='store_true',
        help='hide the same patches in all frames, where the model was trained with '
        'other ones in each (asymmetric masks)',
    )
    add('--seed', type=int, default=0, help='of the masks [%(default)s]')
    add(
        '--size',
        help="short side in pixels, or 'original' for that of the frames [training's]",
    )
    add('--network', choices=['online', 'target'], default='online')
    add('--device', help='where to compute [a GPU if there is one]')
    return parser


def spread(count: int, most: int) -> list[int]:
    """Numbers of at most so many frames, evenly, with the first and the last."""
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, most))})


def pick(result: Reconstruction, indices: Sequence[int]) -> Reconstruction:
    """Some of the frames."""
    names = ('original', 'masked', 'prediction', 'pasted', 'visible')
    return Reconstruction(**{n: getattr(result, n)[list(indices)] for n in names})


def shared_mask(
    model: Reconstructor, video: Frames, args: argparse.Namespace, options: dict[str, Any]
) -> NDArray[np.bool_] | None:
    """The patches that all frames show; None where the masks see to that themselves."""
    if not args.same_mask or getattr(model.model.masking, 'symmetric', False):
        return None
    first = model(
        video, [0], mask_ratio=args.mask_ratio, seed=args.seed, progress=False, **options
    )
    return first.visible[0]


def draw(args: argparse.Namespace) -> str:
    """Reconstruct and draw.

    Returns:
        What there is to say.
    """
    if args.rows < 1:
        raise ValueError(f'--rows must be at least 1, got {args.rows}')
    size = args.size
    if size is not None and size != 'original':
        if not size.isdigit():
            raise ValueError(f"--size must be pixels or 'original', got '{size}'")
        size = int(size)
    video = open_video(args.video, args.frames)
    if args.no_clip or len(video) == 1:
        video = open_video(video, spread(len(video), args.rows))
    moves = len(video) > 1 and not args.no_clip
    if moves:
        check_fps(args.fps)  # now rather than after the work
    grid = Path(f'{args.out}.png')
    check_writable(grid.parent)
    outputs = [grid, clip_path(args.out)] if moves else [grid]
    refuse_inputs(outputs, video.files, 'name another --out')
    model = Reconstructor(args.checkpoint, args.config, args.device)
    options = dict(size=size, patch_size=args.patch_size)
    visible = shared_mask(model, video, args, options)
    result = model(
        video,
        visible=visible,
        mask_ratio=args.mask_ratio if visible is None else None,
        seed=args.seed,
        network=args.network,
        **options,
    )
    shown = pick(result, spread(len(result), args.rows))
    save_image(grid, shown.sheet())
    made = [str(grid)]
    if moves:
        made.append(str(result.save_clip(args.out, args.fps)))
    hidden = ~result.visible
    error = np.abs(result.prediction.astype(np.float64) - result.original)
    patch = result.original.shape[1] // hidden.shape[1]
    where = hidden.repeat(patch, 1).repeat(patch, 2)
    return (
        f'{len(result)} frames, {hidden.mean():.0%} of the patches hidden; there the '
        f'prediction is off by {error[where].mean():.1f} of 255 on average\n'
        f'Wrote {" and ".join(made)}'
    )


@quiet_log(logging.INFO)
def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and draw."""
    args = build_parser().parse_args(argv)
    try:
        print(draw(args))
    except (OSError, ValueError) as error:
        raise SystemExit(f'vis_reconstruction.py: {error}') from None


if __name__ == '__main__':
    main()
