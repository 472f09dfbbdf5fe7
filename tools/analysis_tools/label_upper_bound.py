#!/usr/bin/env python
"""Score the annotations of DAVIS themselves, after a trip through the feature grid.

Propagation keeps labels at the stride of the features. Even if every label were right, J
and F would lose what the grid cannot hold: this tool says how much. Each annotation is
resized for the network, sampled down to the grid (nearest), brought up again (bilinear),
stretched to 0..1 for each object and decided by the largest value: DINO's procedure,
with right labels in the place of propagated ones.
"""

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from videomac.datasets import DAVISDataset, PropagationVideo
from videomac.evaluation import JAndFMetric
from videomac.evaluation.jf import num_objects_of
from videomac.evaluation.offline import score_predictions
from videomac.evaluation.tables import text_table
from videomac.models.propagation import (
    PRESETS,
    PropagationSettings,
    decode_ids,
    encode_ids,
)
from videomac.utils.quiet import quiet_log

Ids = NDArray[np.uint8]


def through_grid(
    ids: Ids,
    num_objects: int,
    stride: int,
    size: tuple[int, int],
    settings: PropagationSettings,
) -> Ids:
    """Send an id map through a feature grid and back.

    Args:
        ids: Ids ``[H, W]``; those that are no object's are background.
        num_objects: Number of objects, with ids from 1.
        stride: Pixels of the network's input to a cell.
        size: Height and width of the network's input.
        settings: How labels get to the grid and back.

    Returns:
        Ids ``[H, W]`` that a propagation with perfect labels would give.
    """
    objects = list(range(num_objects + 1))
    known = np.where(ids > num_objects, 0, ids).astype(np.uint8)
    cells = (-(-size[0] // stride), -(-size[1] // stride))
    maps = encode_ids(known, objects, cells, size, settings)
    return decode_ids(maps, objects, size, (ids.shape[0], ids.shape[1]), settings)


class GridReader:
    """Gives the annotations after the trip in the place of predictions.

    Args:
        stride: Pixels of the network's input to a cell.
        settings: How labels get to the grid and back.
    """

    def __init__(self, stride: int, settings: PropagationSettings) -> None:
        self.stride = stride
        self.settings = settings

    def __call__(self, video: PropagationVideo) -> Mapping[str, Any]:
        """Give the masks of a video."""
        labels = video.meta['labels']
        number = num_objects_of(labels[0])
        height, width = video.inputs[0].shape[1:]
        masks = [
            through_grid(ids, number, self.stride, (height, width), self.settings)
            for ids in labels
        ]
        return {'masks': masks}


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    add = parser.add_argument
    add('davis_root', type=Path, help='folder with Annotations, JPEGImages, ImageSets')
    add('--year', type=int, choices=[2016, 2017], default=2017)
    add('--split', default='val', help='list of the videos [val]')
    add('--strides', type=int, nargs='+', default=[4, 8, 16, 32], metavar='N')
    add('--preset', choices=sorted(PRESETS), default='dino')
    add('--workers', type=int, default=1, help='number of processes [1]')
    return parser


@quiet_log(logging.INFO)
def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and score."""
    args = build_parser().parse_args(argv)
    torch.set_num_threads(1)
    try:
        dataset = DAVISDataset(args.davis_root, args.year, args.split)
        metric = JAndFMetric()
        settings = PropagationSettings.preset(args.preset)
        rows = []
        for stride in args.strides:
            reader = GridReader(stride, settings)
            scores = score_predictions(dataset, metric, reader, args.workers)
            result = metric.summarise(scores)
            numbers = (result[name] for name in ('J-Mean', 'F-Mean', 'J&F-Mean'))
            rows.append([str(stride), *(f'{100 * number:.1f}' for number in numbers)])
        metric.warn(scores)
    except (OSError, ValueError) as error:
        raise SystemExit(f'label_upper_bound.py: {error}') from None
    print(text_table(('stride', 'J', 'F', 'J&F'), rows))


if __name__ == '__main__':
    main()
