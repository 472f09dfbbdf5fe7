"""The scores of VIP as metrics of mmengine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from videomac.datasets.propagation_sample import PropagationVideo
from videomac.datasets.vip import VIP_CLASSES
from videomac.registry import METRICS
from videomac.utils.arguments import check_flags, check_positive

from .tables import text_table, write_csv
from .video_metric import VideoMetric
from .vip import (
    AP_THRESHOLDS,
    InstanceMatches,
    average_precision,
    class_iou,
    confusion_matrix,
    instance_matches,
    mean_iou,
)

__all__ = ['VIPInstanceAP', 'VIPMeanIoU']

NO_LABELS = 'it has no annotated frames; use a data set that has them, VIPDataset'


@METRICS.register_module()
class VIPMeanIoU(VideoMetric):
    """Mean IoU of the parts of persons, over all frames of all videos at once.

    The results are percentages: ``mIoU`` over the classes that occur, background among
    them, as published numbers have it, and ``mIoU-parts`` without background.

    Args:
        first_frame: Count the first frame too, as published numbers do.
        out_dir: Folder for the tables; None to write none.
        prefix: Prefix of the names of the results.

    Raises:
        ValueError: ``first_frame`` is not True or False.
    """

    needs: ClassVar = {'labels': NO_LABELS}

    def __init__(
        self, first_frame: bool = True, out_dir: str | None = None, prefix: str = 'VIP'
    ) -> None:
        super().__init__(out_dir, prefix)
        check_flags(first_frame=first_frame)
        self.first_frame = first_frame

    def score(
        self, video: PropagationVideo, prediction: Mapping[str, Any]
    ) -> NDArray[np.int64]:
        """Confusion matrix of one video."""
        masks, truths = prediction['masks'], video.meta['labels']
        _same_length(len(masks), len(truths))
        confusion = np.zeros((len(VIP_CLASSES), len(VIP_CLASSES)), np.int64)
        for t in range(0 if self.first_frame else 1, len(masks)):
            try:
                confusion += confusion_matrix(masks[t], truths[t])
            except ValueError as error:
                raise ValueError(f'frame {t}: {error}') from None
        return confusion

    def summarise(self, scores: Mapping[str, NDArray[np.int64]]) -> dict[str, float]:
        """Mean IoU of the sum of the confusion matrices."""
        total = sum(scores.values(), np.zeros((len(VIP_CLASSES),) * 2, np.int64))
        return {
            'mIoU': 100 * mean_iou(total),
            'mIoU-parts': 100 * mean_iou(total, include_background=False),
        }

    def tabulate(
        self, scores: Mapping[str, NDArray[np.int64]], summary: Mapping[str, float]
    ) -> str:
        """IoU of each class, and the means."""
        rows = [(name, f'{value:.2f}') for name, value in _classes(scores).items()]
        rows += [(name, f'{value:.2f}') for name, value in summary.items()]
        return text_table(('class', 'IoU'), rows)

    def write_tables(
        self,
        folder: Path,
        scores: Mapping[str, NDArray[np.int64]],
        summary: Mapping[str, float],
    ) -> None:
        """Write the JSON file, and tables of the classes and of the videos."""
        super().write_tables(folder, scores, summary)
        videos = [(name, 100 * mean_iou(one)) for name, one in scores.items()]
        stem = folder / self.file_stem
        write_csv(Path(f'{stem}_per-sequence.csv'), ('Sequence', 'mIoU'), videos)
        classes = list(_classes(scores).items())
        write_csv(Path(f'{stem}_per-class.csv'), ('Class', 'IoU'), classes)

    def details(
        self, scores: Mapping[str, NDArray[np.int64]], summary: Mapping[str, float]
    ) -> dict[str, Any]:
        """Summary, IoU of the classes and confusion matrix of each video."""
        return {
            'summary': dict(summary),
            'classes': _classes(scores),
            'confusion': {name: one.tolist() for name, one in scores.items()},
        }


def _classes(scores: Mapping[str, NDArray[np.int64]]) -> dict[str, float]:
    """IoU of each class over all videos, in percent."""
    iou = 100 * class_iou(np.sum(list(scores.values()), axis=0))
    return dict(zip(VIP_CLASSES, iou.tolist(), strict=True))


def _same_length(predicted: int, annotated: int) -> None:
    """Raise ValueError unless there is a prediction for each frame."""
    if predicted != annotated:
        raise ValueError(f'{predicted} predicted frames for {annotated} annotated ones')


FrameMatches = dict[int, InstanceMatches]


@METRICS.register_module()
class VIPInstanceAP(VideoMetric):
    """Average precision of part instances, AP^r, as VIP's own script.

    For predictions that started from instance ids (``VIPDataset(labels='instance')``);
    an instance keeps the class that it has in the first frame. The results are
    percentages: ``AP@<IoU>``, the mean over all 19 classes, and ``AP_vol``, the mean
    over the thresholds.

    As in the script (``evaluate/test_inst_part_ap.py`` of ATEN), a class with neither
    annotated nor predicted instances counts as 0 in the means; the table of the classes
    has NaN there. A class that is only predicted is 0 in both: the script divides 0 by 0
    and its means become NaN. Videos are ranked in the data set's order, which the script
    leaves to the file system.

    Args:
        first_frame: Count the first frame too.
        thresholds: IoU above which an instance is found.
        out_dir: Folder for the tables; None to write none.
        prefix: Prefix of the names of the results.

    Raises:
        ValueError: ``first_frame`` is not True or False, or a threshold not positive.
    """

    needs: ClassVar = {
        'labels': NO_LABELS,
        'classes': "it has no classes of instances; use VIPDataset(labels='instance')",
    }

    def __init__(
        self,
        first_frame: bool = True,
        thresholds: tuple[float, ...] = AP_THRESHOLDS,
        out_dir: str | None = None,
        prefix: str = 'VIP-instances',
    ) -> None:
        super().__init__(out_dir, prefix)
        check_flags(first_frame=first_frame)
        for threshold in thresholds:
            check_positive(thresholds=threshold)
        self.first_frame = first_frame
        self.thresholds = tuple(thresholds)

    def score(
        self, video: PropagationVideo, prediction: Mapping[str, Any]
    ) -> list[FrameMatches]:
        """Matches of the frames of one video."""
        classes = video.meta['classes']
        masks, truths = prediction['masks'], video.meta['labels']
        _same_length(len(masks), len(truths))
        start = classes[0]
        found = []
        for t in range(0 if self.first_frame else 1, len(masks)):
            try:
                found.append(instance_matches(masks[t], truths[t], start, classes[t]))
            except ValueError as error:
                raise ValueError(f'frame {t}: {error}') from None
        return found

    def summarise(self, scores: Mapping[str, list[FrameMatches]]) -> dict[str, float]:
        """Average over all 19 classes, absent ones as 0, and over the thresholds."""
        means = np.nan_to_num(list(self._table(scores).values())).mean(axis=0)
        summary = {
            f'AP@{threshold:g}': float(mean)
            for threshold, mean in zip(self.thresholds, means, strict=True)
        }
        return summary | {'AP_vol': float(means.mean())}

    def tabulate(
        self, scores: Mapping[str, list[FrameMatches]], summary: Mapping[str, float]
    ) -> str:
        """AP of each class at each threshold, and the means over all classes."""
        rows = [
            (name, *(f'{value:.3f}' for value in (*values, np.mean(values))))
            for name, values in self._table(scores).items()
        ]
        rows.append(('mean', *(f'{value:.3f}' for value in summary.values())))
        return text_table(('class', *summary), rows)

    def write_tables(
        self,
        folder: Path,
        scores: Mapping[str, list[FrameMatches]],
        summary: Mapping[str, float],
    ) -> None:
        """Write the JSON file, and tables of the classes and of the videos.

        A video's numbers are those of a data set of it alone, classes that it lacks
        counting as 0.
        """
        super().write_tables(folder, scores, summary)
        stem = folder / self.file_stem
        videos: list[tuple[str | float, ...]] = [
            (name, *self.summarise({name: one}).values()) for name, one in scores.items()
        ]
        write_csv(Path(f'{stem}_per-sequence.csv'), ('Sequence', *summary), videos)
        classes: list[tuple[str | float, ...]] = [
            (name, *values, float(np.mean(values)))
            for name, values in self._table(scores).items()
        ]
        write_csv(Path(f'{stem}_per-class.csv'), ('Class', *summary), classes)

    def _table(self, scores: Mapping[str, list[FrameMatches]]) -> dict[str, list[float]]:
        """AP of each part at each threshold, in percent; NaN where it is absent."""
        frames = [frame for video in scores.values() for frame in video]
        table = {}
        for kind, name in enumerate(VIP_CLASSES):
            if kind == 0:
                continue
            matches = [frame[kind] for frame in frames if kind in frame]
            table[name] = [100 * average_precision(matches, t) for t in self.thresholds]
        return table

    def details(
        self, scores: Mapping[str, list[FrameMatches]], summary: Mapping[str, float]
    ) -> dict[str, Any]:
        """Summary, thresholds and AP of each class at each."""
        table = self._table(scores)
        return {
            'summary': dict(summary),
            'thresholds': list(self.thresholds),
            'classes': table,
        }
