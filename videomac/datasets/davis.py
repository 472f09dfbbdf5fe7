"""DAVIS-2016 and DAVIS-2017."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from videomac.registry import DATASETS

from ..utils.arguments import check_flags
from .label_maps import (
    VOID,
    LabelFiles,
    LabelMapError,
    read_foreground,
    read_label_map,
    read_palette,
)
from .propagation_base import (
    IMAGENET_MEAN,
    PropagationDataset,
    VideoFolder,
    check_label_maps,
    read_names,
    video_files,
)
from .tree_check import TreeCheck

__all__ = ['DAVISDataset']

# Splits of which only the first annotations were given out.
TEST_SPLITS = ('test-dev', 'test-challenge')


@DATASETS.register_module()
class DAVISDataset(PropagationDataset):
    """DAVIS: object masks, given in the first frame.

    Expects the layout of the archives: ``JPEGImages/480p/<video>/00000.jpg``,
    ``Annotations/480p/<video>/00000.png``, and the lists ``ImageSets/2017/val.txt`` or,
    for 2016, ``ImageSets/2016/val.txt`` or ``ImageSets/480p/val.txt``.

    ``meta['labels']`` of a video are its annotations, read on demand; in 2016 with all
    objects merged to one.

    Args:
        data_root: Folder that holds ``JPEGImages``.
        year: 2016 (one foreground) or 2017 (several objects).
        split: Name of the list: ``train``, ``val``, ``trainval``, ``test-dev``.
        resolution: Folder below ``JPEGImages``: ``480p``, ``Full-Resolution``,
            ``1080p``.
        ground_truth: Whether every frame is annotated, or the first one alone; None for
            what the archive of the split has.
        size: The short side of the network's input; see :func:`network_size`.
        multiple: What the long side is floored to a multiple of.
        mean: Mean of red, green and blue in [0, 1] to subtract.
        std: Deviation to divide by; DINO's has 0.228 for red.
        videos: Names of the videos to use; None for all of the list.
        check: See :class:`PropagationDataset`.
        round_resized: See :func:`network_tensor`.
        images: Whether ``JPEGImages`` is there; False to take the annotations for
            frames, which is enough to score predictions.

    Raises:
        ValueError: ``year`` is another one; see also :class:`PropagationDataset`.
    """

    evenly_numbered = True

    def __init__(
        self,
        data_root: str | os.PathLike[str],
        year: int = 2017,
        split: str = 'val',
        resolution: str = '480p',
        ground_truth: bool | None = None,
        size: int | Sequence[int] | None = 480,
        multiple: int = 64,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = (0.228, 0.224, 0.225),
        videos: Sequence[str] | None = None,
        check: bool = True,
        round_resized: bool = True,
        images: bool = True,
    ) -> None:
        if year not in (2016, 2017):
            raise ValueError(f'year must be 2016 or 2017, got {year!r}')
        self.year = year
        self.split = split
        self.resolution = resolution
        self.images = images
        if ground_truth is None:
            ground_truth = split not in TEST_SPLITS
        check_flags(ground_truth=ground_truth)
        self.ground_truth = ground_truth
        self.benchmark = f'DAVIS-{year}'
        super().__init__(
            data_root, size, multiple, mean, std, videos, check, round_resized
        )

    @property
    def metainfo(self) -> dict[str, Any]:
        """Benchmark, videos, year and split."""
        return super().metainfo | {'year': self.year, 'split': self.split}

    def list_videos(self) -> list[str]:
        """Read the list of the split.

        Lists of DAVIS-2016 may name a frame and its annotation in each line.
        """
        sets = self.data_root / 'ImageSets'
        path = sets / str(self.year) / f'{self.split}.txt'
        if self.year == 2016 and not path.exists():
            path = sets / self.resolution / f'{self.split}.txt'
        lines = read_names(
            path,
            'Set test_dataloader.dataset.data_root to the folder that holds JPEGImages, '
            'Annotations and ImageSets, and test_dataloader.dataset.split to one of its '
            'lists',
        )
        names = [
            Path(line.split()[0]).parent.name if '/' in line else line
            for _, line in lines
        ]
        return list(dict.fromkeys(names))

    def locate(self, name: str) -> VideoFolder:
        """Find the files of a video."""
        kind = 'JPEGImages' if self.images else 'Annotations'
        path = self.data_root / kind / self.resolution / name
        frames = video_files(path, ('.jpg', '.jpeg', '.png'))
        labels = self.data_root / 'Annotations' / self.resolution / name
        return VideoFolder(
            name, path, frames, tuple(labels / f'{frame.stem}.png' for frame in frames)
        )

    def check_labels(
        self, folder: VideoFolder, size: tuple[int, int], check: TreeCheck
    ) -> None:
        """Check that there is one annotation of the frame's size a frame, and no more."""
        needed = folder.labels if self.ground_truth else folder.labels[:1]
        read = read_foreground if self.year == 2016 else read_label_map
        check_label_maps(needed, folder.labels, size, check, read)

    def load(self, folder: VideoFolder, ori_size: tuple[int, int]) -> dict[str, Any]:
        """Read the first annotation, with its palette.

        Raises:
            LabelMapError: It cannot be read, or has no object.
        """
        labels = LabelFiles(folder.labels, merge_objects=self.year == 2016)
        first = np.where(labels[0] == VOID, 0, labels[0]).astype(np.uint8)
        if not first.any():
            raise LabelMapError(
                folder.labels[0],
                'has no object, only background and void (255); read black and white '
                'masks with test_dataloader.dataset.year=2016',
            )
        return {
            'first_label': first,
            'palette': read_palette(folder.labels[0]),
            'meta': {'labels': labels} if self.ground_truth else {},
        }
