"""VIP, video instance-level parsing: parts of persons."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from videomac.registry import DATASETS

from .label_maps import LabelFiles, LabelMapError, object_palette
from .propagation_base import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    PropagationDataset,
    VideoFolder,
    check_label_maps,
    read_names,
    video_files,
)
from .tree_check import TreeCheck

__all__ = ['VIP_CLASSES', 'InstanceClasses', 'VIPDataset']

VIP_CLASSES = (
    'background',
    'hat',
    'hair',
    'sun-glasses',
    'upper-clothes',
    'dress',
    'coat',
    'socks',
    'pants',
    'gloves',
    'scarf',
    'skirt',
    'torso-skin',
    'face',
    'right-arm',
    'left-arm',
    'right-leg',
    'left-leg',
    'right-shoe',
    'left-shoe',
)


@DATASETS.register_module()
class VIPDataset(PropagationDataset):
    """VIP (Zhou et al., "Adaptive Temporal Encoding Network for Video Instance-level
    Human Parsing", ACM MM 2018): 20 classes of body parts, or their instances.

    Expects ``Images/<video>/000000000001.jpg``, ``Annotations/Category_ids/<video>/
    000000000001.png`` (or ``Category_ids`` directly below the root) and
    ``lists/val_videos.txt``. Instances are in ``Instance_ids``, each PNG with a text
    file of lines ``instance class``. One frame in 25 was annotated; only these are used.

    ``meta['labels']`` of a video are its annotations, read on demand; with instances
    ``meta['classes']`` are the classes of the instances of each frame.

    Args:
        data_root: Folder that holds ``Images``.
        split: Name of the list, ``<split>_videos.txt``.
        labels: ``'category'`` to propagate classes of parts, ``'instance'`` for
            instances.
        size: Height and width of the network's input; see :func:`network_size`.
        multiple: See :func:`network_size`.
        mean: Mean of red, green and blue in [0, 1] to subtract.
        std: Deviation to divide by.
        videos: Names of the videos to use; None for all of the list.
        check: See :class:`PropagationDataset`.
        round_resized: See :func:`network_tensor`.

    Raises:
        ValueError: ``labels`` is something else; see also :class:`PropagationDataset`.
    """

    benchmark = 'VIP'

    def __init__(
        self,
        data_root: str | os.PathLike[str],
        split: str = 'val',
        labels: str = 'category',
        size: int | Sequence[int] | None = (560, 560),
        multiple: int = 1,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        videos: Sequence[str] | None = None,
        check: bool = True,
        round_resized: bool = False,
    ) -> None:
        if labels not in ('category', 'instance'):
            raise ValueError(f"labels must be 'category' or 'instance', got {labels!r}")
        self.split = split
        self.labels = labels
        super().__init__(
            data_root, size, multiple, mean, std, videos, check, round_resized
        )

    @property
    def metainfo(self) -> dict[str, Any]:
        """Benchmark, videos, split, kind of labels and names of the classes."""
        own = {'split': self.split, 'labels': self.labels, 'classes': VIP_CLASSES}
        return super().metainfo | own

    def list_videos(self) -> list[str]:
        """Read the list of the split; lines may also be paths of the videos' folders."""
        path = self.data_root / 'lists' / f'{self.split}_videos.txt'
        lines = read_names(
            path,
            'Set test_dataloader.dataset.data_root to the folder that holds Images, '
            'Annotations and lists, usually VIP_Fine',
        )
        return [Path(line.split()[0]).name for _, line in lines]

    def locate(self, name: str) -> VideoFolder:
        """Find the files of a video."""
        path = self.data_root / 'Images' / name
        frames = video_files(path, ('.jpg', '.jpeg', '.png'))
        labels = self._annotations / name
        return VideoFolder(
            name, path, frames, tuple(labels / f'{frame.stem}.png' for frame in frames)
        )

    @property
    def _annotations(self) -> Path:
        name = f'{self.labels.capitalize()}_ids'
        official = self.data_root / 'Annotations' / name
        mirror = self.data_root / name
        return mirror if mirror.is_dir() and not official.is_dir() else official

    def check_labels(
        self, folder: VideoFolder, size: tuple[int, int], check: TreeCheck
    ) -> None:
        """Check that there is one annotation of the frame's size a frame, and no more."""
        check_label_maps(folder.labels, folder.labels, size, check)
        if self.labels == 'instance':
            classes = InstanceClasses(folder.labels)
            for index in range(len(classes)):
                try:
                    classes[index]
                except LabelMapError as error:
                    check.add(str(error))

    def load(self, folder: VideoFolder, ori_size: tuple[int, int]) -> dict[str, Any]:
        """Read the first annotation; what is no class or instance is background."""
        labels = LabelFiles(folder.labels)
        first = labels[0]
        limit = len(VIP_CLASSES) if self.labels == 'category' else 255
        meta: dict[str, Any] = {'labels': labels}
        if self.labels == 'instance':
            meta['classes'] = InstanceClasses(folder.labels)
        return {
            'first_label': np.where(first < limit, first, 0).astype(np.uint8),
            'palette': object_palette(),
            'meta': meta,
        }


class InstanceClasses:
    """The class of each instance, frame by frame, each read when it is asked for.

    Args:
        labels: The PNGs of the instances; the texts lie beside them.
    """

    def __init__(self, labels: Sequence[Path]) -> None:
        self.paths = tuple(path.with_suffix('.txt') for path in labels)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict[int, int]:
        """Read the classes of the instances of one frame.

        Columns after the second are passed over, as VIP's own script does.

        Raises:
            LabelMapError: The file cannot be read, or a line does not begin with an
                instance in 0..255 and a class in 0..19.
        """
        path = self.paths[index]
        try:
            lines = path.read_text(encoding='utf-8').split('\n')
        except FileNotFoundError:
            raise LabelMapError(path, 'there is no such file') from None
        except (OSError, UnicodeDecodeError) as error:
            raise LabelMapError(path, f'cannot be read as text ({error})') from error
        classes = {}
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                instance, kind = (int(word) for word in line.split()[:2])
                if not (0 <= instance <= 255 and 0 <= kind < len(VIP_CLASSES)):
                    raise ValueError
            except ValueError:
                raise LabelMapError(
                    path,
                    f'line {number} must be "instance class", with an instance in 0..255 '
                    f'and a class in 0..{len(VIP_CLASSES) - 1}, got {line!r}',
                ) from None
            classes[instance] = kind
        return classes
