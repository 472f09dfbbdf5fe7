"""YouTube-VOS, valid and test splits: propagation for submission to the server."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from videomac.registry import DATASETS

from .label_maps import VOID, read_label_map, read_palette
from .propagation_base import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    PropagationDataset,
    VideoFolder,
    video_files,
)
from .tree_check import TreeCheck

__all__ = ['YouTubeVOSDataset']


@DATASETS.register_module()
class YouTubeVOSDataset(PropagationDataset):
    """Videos of YouTube-VOS whose objects are given where they enter.

    Expects ``valid.zip`` unpacked: ``JPEGImages/<video>/<frame>.jpg``,
    ``Annotations/<video>/<frame>.png`` of the frames in which objects enter, and
    ``meta.json``. The ground truth is on the server alone: predictions are written as
    ``<video>/<frame>.png`` for the frames that ``meta.json`` lists, to be zipped in a
    folder ``Annotations``.

    ``meta['written']`` of a video are the stems of the frames that the server asks for.

    Args:
        data_root: Folder that holds ``JPEGImages``, such as ``ytvos/valid``.
        size: Size of the network's input, a short side by default; see
            :func:`network_size`.
        multiple: What the long side is floored to a multiple of.
        mean: Mean of red, green and blue in [0, 1] to subtract.
        std: Deviation to divide by.
        videos: Names of the videos to use; None for all.
        check: See :class:`PropagationDataset`.
        round_resized: See :func:`network_tensor`.

    Raises:
        ValueError: ``meta.json`` cannot be understood; see also
            :class:`PropagationDataset`.
    """

    benchmark = 'YouTube-VOS'

    def __init__(
        self,
        data_root: str | os.PathLike[str],
        size: int | Sequence[int] | None = 480,
        multiple: int = 64,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        videos: Sequence[str] | None = None,
        check: bool = True,
        round_resized: bool = True,
    ) -> None:
        self._asked: dict[str, frozenset[str]] = {}
        super().__init__(
            data_root, size, multiple, mean, std, videos, check, round_resized
        )

    def list_videos(self) -> list[str]:
        """Read the videos of ``meta.json``, and which of their frames are asked for.

        Raises:
            FileNotFoundError: It is not there.
            ValueError: It cannot be understood.
        """
        path = self.data_root / 'meta.json'
        try:
            videos = json.loads(path.read_text(encoding='utf-8-sig'))['videos']
            self._asked = {
                name: frozenset(
                    str(frame)
                    for item in entry['objects'].values()
                    for frame in item.get('frames', ())
                )
                for name, entry in videos.items()
            }
        except FileNotFoundError:
            raise FileNotFoundError(
                f"there is no '{path}'. Set "
                'test_dataloader.dataset.data_root to the folder of the '
                'split, which holds JPEGImages, Annotations and meta.json'
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(
                f"'{path}' is not the meta.json of YouTube-VOS, an object with "
                f'"videos" and their "objects" ({error!r}). Fetch it anew'
            ) from error
        return sorted(self._asked)

    def locate(self, name: str) -> VideoFolder:
        """Find the files of a video; most frames have no annotation."""
        path = self.data_root / 'JPEGImages' / name
        frames = video_files(path, ('.jpg', '.jpeg'))
        labels = self.data_root / 'Annotations' / name
        return VideoFolder(
            name, path, frames, tuple(labels / f'{frame.stem}.png' for frame in frames)
        )

    def check_labels(
        self, folder: VideoFolder, size: tuple[int, int], check: TreeCheck
    ) -> None:
        """Check the annotations that are there, and that there is one."""
        annotations = self.data_root / 'Annotations' / folder.name
        present = video_files(annotations, ('.png',))
        if not present:
            check.add(f"video '{folder.name}' has no annotation in {annotations}")
        known = set(folder.labels)
        for path in present:
            if path in known:
                check.label_map(path, size)
            else:
                check.add(f'{path} annotates a frame that is not there')
        stems = {path.stem for path in folder.frames}
        for stem in sorted(self._asked[folder.name] - stems):
            check.add(f'{folder.path / stem}.jpg is missing')

    def load(self, folder: VideoFolder, ori_size: tuple[int, int]) -> dict[str, Any]:
        """Read the objects of the first frame, and those that enter later.

        Raises:
            LabelMapError: An annotation cannot be read.
        """
        seen: set[int] = {0, VOID}
        labels, palette = {}, None
        for t, path in enumerate(folder.labels):
            if not path.exists():
                continue
            ids = read_label_map(path)
            new = set(np.unique(ids).tolist()) - seen
            seen |= new
            palette = read_palette(path) if palette is None else palette
            if new:
                labels[t] = np.where(np.isin(ids, sorted(new)), ids, 0).astype(np.uint8)
        # A video may begin before its first object enters.
        first = labels.pop(0, np.zeros(ori_size, np.uint8))
        asked = self._asked[folder.name] or {path.stem for path in folder.frames}
        return {
            'first_label': first,
            'later_labels': labels,
            'palette': palette,
            'meta': {'written': frozenset(asked)},
        }
