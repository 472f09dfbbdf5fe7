"""What the metrics of label propagation have in common."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from mmengine.dist import all_gather_object, broadcast_object_list, is_main_process
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from videomac.datasets.propagation_sample import PropagationVideo

from .tables import text_table, write_json

__all__ = ['VideoMetric']


class VideoMetric(BaseMetric):
    """A metric that scores videos one by one and then puts the videos together.

    Any process may score any number of videos, also one that another process scores
    too, as samplers do to give every process as many. A video counts once, and the
    videos are put together in the data set's order: so the result is that of a single
    process, to the last bit.

    Args:
        out_dir: Folder for tables of the results; None to write none.
        prefix: Prefix of the names of the results.
    """

    #: What ``meta`` of a video must hold, and what to say where it does not.
    needs: ClassVar[Mapping[str, str]] = {}

    def __init__(self, out_dir: str | None = None, prefix: str | None = None) -> None:
        super().__init__(collect_device='cpu', prefix=prefix)
        self.out_dir = None if out_dir is None else Path(out_dir)

    def check(self, video: PropagationVideo) -> None:
        """Check that a video has what it takes to score it.

        Raises:
            ValueError: It lacks something of :attr:`needs`.
        """
        for key, reason in self.needs.items():
            if video.meta.get(key) is None:
                raise ValueError(f"video '{video.video}': {reason}")

    @abstractmethod
    def score(self, video: PropagationVideo, prediction: Mapping[str, Any]) -> Any:
        """Score one video that passes :meth:`check`; is pickled between processes."""

    @abstractmethod
    def summarise(self, scores: Mapping[str, Any]) -> dict[str, float]:
        """Put the scores of the videos, by their names, together."""

    def warn(self, scores: Mapping[str, Any]) -> None:
        """Warn of videos with a score that the results leave out."""

    def tabulate(self, scores: Mapping[str, Any], summary: Mapping[str, float]) -> str:
        """Lay the results out for the log."""
        values = [f'{value:.3f}' for value in summary.values()]
        return text_table(list(summary), [values])

    def write_tables(
        self, folder: Path, scores: Mapping[str, Any], summary: Mapping[str, float]
    ) -> None:
        """Write the results to a folder that exists."""
        write_json(folder / f'{self.file_stem}.json', self.details(scores, summary))

    def details(
        self, scores: Mapping[str, Any], summary: Mapping[str, float]
    ) -> dict[str, Any]:
        """What the JSON file holds."""
        return {'summary': dict(summary), 'videos': list(scores)}

    @property
    def file_stem(self) -> str:
        """Name of the result files."""
        return str(self.prefix).lower()

    def process(
        self, data_batch: Mapping[str, Any], data_samples: Sequence[Mapping[str, Any]]
    ) -> None:
        """Score the videos of a batch.

        Args:
            data_batch: ``inputs`` are the videos, as the data sets give them.
            data_samples: A prediction for each: ``masks``, or ``points`` and
                ``visible``.

        Raises:
            ValueError: A prediction does not fit its video; names the video.
        """
        for video, prediction in zip(data_batch['inputs'], data_samples, strict=True):
            self.check(video)
            try:
                self.results.append((video.video, self.score(video, prediction)))
            except (KeyError, ValueError) as error:
                raise ValueError(f"video '{video.video}': {error}") from error

    def compute_metrics(self, results: Sequence[tuple[str, Any]]) -> dict[str, float]:
        """Put the results of all processes together.

        Args:
            results: Names and scores of videos, in any order, maybe several of one.

        Returns:
            Names and values of the metrics.

        Raises:
            ValueError: There is no result.
        """
        found = dict(results)
        expected = (self.dataset_meta or {}).get('videos')
        order = sorted(found) if expected is None else expected
        scores = {name: found[name] for name in order if name in found}
        if not scores:
            raise ValueError(f'{type(self).__name__} was given no video')
        if len(scores) < len(order):
            absent = [name for name in order if name not in found]
            print_log(
                f'{type(self).__name__}: {len(absent)} of {len(order)} videos have no '
                f'prediction (first: {", ".join(absent[:5])}); the scores are those of '
                'the others',
                'current',
                logging.WARNING,
            )
        self.warn(scores)
        summary = self.summarise(scores)
        print_log('\n' + self.tabulate(scores, summary), 'current', logging.INFO)
        if self.out_dir is not None:
            self.out_dir.mkdir(parents=True, exist_ok=True)
            self.write_tables(self.out_dir, scores, summary)
        return summary

    def evaluate(self, size: int) -> dict[str, float]:
        """Compute the metrics over the videos of all processes.

        mmengine's own way cuts the results to equal numbers from every process, and to
        ``size``: it would lose some where a resumed run deals videos out unevenly.

        Args:
            size: Number of videos; not needed.

        Returns:
            Names, with the prefix, and values of the metrics; the same everywhere.
        """
        gathered = [item for part in all_gather_object(self.results) for item in part]
        self.results.clear()
        result: list[Any] = [None]
        if is_main_process():
            try:
                metrics = self.compute_metrics(gathered)
                result[0] = {f'{self.prefix}/{k}': v for k, v in metrics.items()}
            except Exception as error:  # the other processes wait for an answer
                result[0] = error
        broadcast_object_list(result)
        if isinstance(result[0], Exception):
            raise result[0]
        return dict(result[0])
