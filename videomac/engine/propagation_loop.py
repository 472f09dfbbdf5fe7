"""Propagation of the labels of a whole data set, and its scores."""

from __future__ import annotations

from collections.abc import Sequence
from logging import INFO
from typing import Any, Protocol

from mmengine.dist import (
    all_gather_object,
    barrier,
    broadcast_object_list,
    get_rank,
    get_world_size,
    is_main_process,
)
from mmengine.logging import print_log

from ..datasets.propagation_base import PropagationDataset
from ..datasets.propagation_sample import PropagationVideo
from ..evaluation import PredictionWriter, VideoMetric
from ..models.propagation import LabelPropagator
from .video_progress import VideoProgress

__all__ = ['Painter', 'PropagationLoop', 'share_videos']


class Painter(Protocol):
    """Draws the predictions of videos, as ``PropagationPainter`` does."""

    def paint(self, video: PropagationVideo, prediction: dict[str, Any]) -> None:
        """Draw a video that is done."""
        ...

    def shows(self, video: PropagationVideo, prediction: dict[str, Any]) -> bool:
        """Tell whether a video has been drawn, and with this prediction."""
        ...

    def sheet(self, videos: Sequence[str], scores: dict[str, float], title: str) -> Any:
        """Draw an overview of these videos, with their scores of this name."""
        ...


class PropagationLoop:
    """Propagates the labels of all videos, writes and scores the predictions.

    Videos whose predictions are there already are scored only, and drawn where they have
    not been: of some benchmarks fewer masks are kept than were drawn. Several processes
    share the videos by their numbers of frames; the results are those of one process.

    Args:
        model: On its device.
        dataset: The videos.
        metrics: Score them; none where there is no ground truth.
        writer: Keeps the predictions.
        painter: Draws them; None for no pictures.
    """

    def __init__(
        self,
        model: LabelPropagator,
        dataset: PropagationDataset,
        metrics: Sequence[VideoMetric],
        writer: PredictionWriter,
        painter: Painter | None = None,
    ) -> None:
        self.model = model
        self.dataset = dataset
        self.metrics = list(metrics)
        self.writer = writer
        self.painter = painter
        for metric in self.metrics:
            metric.dataset_meta = dataset.metainfo

    def run(self) -> dict[str, float]:
        """Do what is left to do.

        Returns:
            Names and values of the metrics, the same in all processes.

        Raises:
            ValueError: A prediction does not fit its video, or the folder of a video
                holds something else.
        """
        done, lengths = self._survey()
        finished = [index for index, there in enumerate(done) if there]
        left = [index for index, there in enumerate(done) if not there]
        print_log(
            f'{len(finished)} of {len(done)} videos are there from an earlier run, '
            f'{len(left)} are left',
            'current',
            INFO,
        )
        for index in self._mine(finished, lengths):
            video = self.dataset[index]['inputs']
            prediction = self.writer.read(video)
            self._score(video, prediction)
            if self.painter is not None and not self.painter.shows(video, prediction):
                self.painter.paint(video, prediction)
        mine = self._mine(left, lengths)
        progress = VideoProgress(len(mine), sum(lengths[index] for index in mine))
        for index in mine:
            video = self.dataset[index]['inputs']
            prediction = self._propagate(video, progress)
            self.writer.write(video, prediction)
            self._score(video, prediction)
            if self.painter is not None:
                self.painter.paint(video, prediction)
        return self._evaluate()

    def _survey(self) -> tuple[list[bool], list[int]]:
        """Find out, for all videos and all processes, which are done, and the lengths.

        One process looks, before any writes: the others must not see another state.
        """
        found: list[Any] = [None]
        if is_main_process():
            videos = (self.dataset[index]['inputs'] for index in range(len(self.dataset)))
            found[0] = [(self.writer.is_done(v), len(v.frames)) for v in videos]
        broadcast_object_list(found)
        done, lengths = zip(*found[0], strict=True)
        return list(done), list(lengths)

    def _mine(self, indices: Sequence[int], lengths: Sequence[int]) -> list[int]:
        """Choose this process's share of some videos."""
        shares = share_videos([lengths[index] for index in indices], get_world_size())
        return [indices[place] for place in shares[get_rank()]]

    def _propagate(
        self, video: PropagationVideo, progress: VideoProgress
    ) -> dict[str, Any]:
        """Predict a video, and tell after every frame how far it is."""
        name, length = video.video, len(video.frames)
        return self.model.predict_video(
            video, lambda done: progress.step(name, done, length)
        )

    def _score(self, video: PropagationVideo, prediction: dict[str, Any]) -> None:
        """Score a video whose predictions are written."""
        for metric in self.metrics:
            metric.process({'inputs': [video]}, [prediction])

    def _evaluate(self) -> dict[str, float]:
        """Put the scores of all processes together."""
        title, scores = self._headline() if self.painter is not None else ('', {})
        results: dict[str, float] = {}
        for metric in self.metrics:
            results |= metric.evaluate(len(self.dataset))
        if self.painter is not None and is_main_process():
            self.painter.sheet(self.dataset.metainfo['videos'], scores, title)
        barrier()
        return results

    def _headline(self) -> tuple[str, dict[str, float]]:
        """Name of the first result of the first metric, and its value for each video."""
        title, own = '', {}
        for metric in self.metrics[:1]:
            for video, score in metric.results:
                title, own[video] = next(iter(metric.summarise({video: score}).items()))
        parts: list[tuple[str, dict[str, float]]] = all_gather_object((title, own))
        found = {name: value for _, part in parts for name, value in part.items()}
        order = self.dataset.metainfo['videos']
        # A process may have had no video, and so no title.
        return max(part[0] for part in parts), {n: found[n] for n in order if n in found}


def share_videos(lengths: Sequence[int], processes: int) -> list[list[int]]:
    """Share videos among processes so that all have about as many frames.

    The longest video left goes to the process that has the fewest frames (Graham,
    "Bounds on Multiprocessing Timing Anomalies", 1969).

    Args:
        lengths: Number of frames of each video.
        processes: Number of processes, at least 1.

    Returns:
        Indices of the videos of each process, in rising order.
    """
    shares: list[list[int]] = [[] for _ in range(processes)]
    loads = [0] * processes
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        process = loads.index(min(loads))
        shares[process].append(index)
        loads[process] += lengths[index]
    return [sorted(share) for share in shares]
