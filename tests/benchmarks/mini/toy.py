"""Drawn videos and options with which a row takes seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.datasets.trees import make_davis, moving_squares, write_frame
from videomac.datasets.label_maps import write_label_map

SIZE = (64, 128)  # of the frames, in pixels
SCENES = ('ant', 'bee-far', 'bee-near', 'cat', 'dog')
TRAINING = (
    'train_dataloader.dataset.pipeline.0.size=64',
    'train_dataloader.batch_size=2',
    'train_dataloader.num_workers=0',
    'model.decoder.dim=16',
    'model.masking.ratio=0.5',
)
SCORING = ('test_dataloader.dataset.size=64',)


def make_data(root: Path) -> Path:
    """Write ``ytvos/train`` (all frames annotated, in steps of 3) and ``davis2017``."""
    train = root / 'ytvos' / 'train'
    for seed, name in enumerate(SCENES):
        for t, ids in enumerate(moving_squares(4, SIZE, objects=1)):
            stem = f'{3 * t:05d}'
            picture = np.roll(ids, 9 * seed, axis=1)
            write_frame(
                train / 'JPEGImages' / name / f'{stem}.jpg', picture, 10 * seed + t
            )
            label = train / 'Annotations' / name / f'{stem}.png'
            label.parent.mkdir(parents=True, exist_ok=True)
            write_label_map(label, picture)
    videos = {
        'one': moving_squares(4, SIZE, objects=1),
        'two': moving_squares(5, SIZE, objects=2),
    }
    make_davis(root / 'davis2017', videos)
    return root
