"""Score predictions that lie on disk, without a model."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from mmengine.utils import ProgressBar

from videomac.datasets.label_maps import LabelFiles
from videomac.datasets.propagation_base import PropagationDataset
from videomac.datasets.propagation_sample import PropagationVideo
from videomac.datasets.tree_check import TreeCheck

from .video_metric import VideoMetric

__all__ = ['MaskReader', 'report', 'score_predictions']

Reader = Callable[[PropagationVideo], Mapping[str, Any]]


def score_predictions(
    dataset: PropagationDataset, metric: VideoMetric, read: Reader, workers: int = 1
) -> dict[str, Any]:
    """Score the predictions of all videos of a data set, with progress on stderr.

    Args:
        dataset: The videos and their ground truth.
        metric: Scores a video.
        read: Gives the predictions of a video.
        workers: Number of processes; 1 for none but this one.

    Returns:
        Scores of the videos by name, in the data set's order.

    Raises:
        ValueError: ``workers`` is below 1, or a prediction does not fit its video.
    """
    if workers < 1:
        raise ValueError(f'workers must be at least 1, got {workers}')
    bar = ProgressBar(len(dataset), file=sys.stderr)
    scores = {}
    for name, score in _each(_Scorer(dataset, metric, read), len(dataset), workers):
        scores[name] = score
        bar.update()
    sys.stderr.write('\n')
    return scores


def _each(scorer: _Scorer, number: int, workers: int) -> Iterator[tuple[str, Any]]:
    """Score the videos in turn, here or in other processes."""
    if workers == 1:
        yield from map(scorer, range(number))
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(scorer, range(number))


class _Scorer:
    """Scores the video of an index; can be sent to another process."""

    def __init__(
        self, dataset: PropagationDataset, metric: VideoMetric, read: Reader
    ) -> None:
        self.dataset = dataset
        self.metric = metric
        self.read = read

    def __call__(self, index: int) -> tuple[str, Any]:
        video = self.dataset[index]['inputs']
        self.metric.check(video)
        try:
            return video.video, self.metric.score(video, self.read(video))
        except ValueError as error:
            raise ValueError(f"video '{video.video}': {error}") from error


class MaskReader:
    """Reads ``<folder>/<video>/<frame>.png``; can be sent to another process.

    Args:
        folder: Folder of the predictions.
        merge_objects: Read all objects as one foreground (DAVIS-2016).
    """

    def __init__(self, folder: Path, merge_objects: bool = False) -> None:
        self.folder = folder
        self.merge_objects = merge_objects

    def __call__(self, video: PropagationVideo) -> dict[str, Any]:
        """Give the masks of a video, each read when it is asked for."""
        return {'masks': LabelFiles(self.paths(video), self.merge_objects)}

    def paths(self, video: PropagationVideo) -> list[Path]:
        """Files of the masks of a video, whether they exist or not."""
        folder = self.folder / video.video
        return [folder / f'{Path(frame).stem}.png' for frame in video.frames]

    def check(self, dataset: PropagationDataset, frames: Callable[[int], range]) -> None:
        """Check that the masks that will be scored are there and of the right size.

        Args:
            dataset: The videos.
            frames: Gives the frames that are scored of a video with so many.

        Raises:
            BrokenTreeError: One error for all offences.
        """
        check = TreeCheck(f"the predictions in '{self.folder}'")
        for index in range(len(dataset)):
            video = dataset[index]['inputs']
            paths = self.paths(video)
            if not paths[0].parent.is_dir():
                check.add(f"video '{video.video}' has no folder {paths[0].parent}")
                continue
            for t in frames(len(paths)):
                check.frame(paths[t], video.ori_size)
        check.finish(
            'Needed is one PNG a frame, <video>/<frame>.png, of the size of the '
            'annotation'
        )


def report(
    metric: VideoMetric, scores: Mapping[str, Any], out_dir: str | Path | None
) -> dict[str, float]:
    """Print the tables of a metric, and write them.

    Args:
        metric: The metric.
        scores: Scores of the videos.
        out_dir: Folder to write to; None to write nothing.

    Returns:
        Names and values of the results.
    """
    metric.warn(scores)
    summary = metric.summarise(scores)
    print(metric.tabulate(scores, summary))
    if out_dir is not None:
        folder = Path(out_dir)
        folder.mkdir(parents=True, exist_ok=True)
        metric.write_tables(folder, scores, summary)
        print(f'\nTables and {metric.file_stem}.json are in {folder}')
    return summary
