"""J and F of DAVIS as a metric of mmengine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from logging import WARNING
from pathlib import Path
from typing import Any, ClassVar

from mmengine.logging import print_log

from videomac.datasets.propagation_sample import PropagationVideo
from videomac.registry import METRICS
from videomac.utils.arguments import check_flags

from .jf import (
    GLOBAL_MEASURES,
    VideoScores,
    check_bound,
    global_scores,
    score_video,
    statistics,
)
from .tables import text_table, write_csv
from .video_metric import VideoMetric

__all__ = ['JAndFMetric', 'per_object_rows', 'write_davis_tables']


@METRICS.register_module()
class JAndFMetric(VideoMetric):
    """Region similarity J and boundary accuracy F, as the official DAVIS toolkit.

    The results are those of :data:`GLOBAL_MEASURES`, in [0, 1]. With ``out_dir`` the
    official tables are written, ``global_results-<split>.csv`` and
    ``per-sequence_results-<split>.csv``, and all scores as JSON.

    Args:
        bound: Tolerance of boundaries, see :func:`tolerance_pixels`.
        all_frames: Score the first and the last frame too. The official toolkits of
            2016 and 2017 leave out both.
        out_dir: Folder for the tables; None to write none.
        prefix: Prefix of the names of the results.

    Raises:
        ValueError: An argument is out of its range.
    """

    needs: ClassVar = {
        'labels': 'it has no ground truth; drop the metric for test splits and send the '
        'written masks to the server'
    }

    def __init__(
        self,
        bound: float = 0.008,
        all_frames: bool = False,
        out_dir: str | None = None,
        prefix: str = 'DAVIS',
    ) -> None:
        super().__init__(out_dir, prefix)
        check_bound(bound)
        check_flags(all_frames=all_frames)
        self.bound = bound
        self.all_frames = all_frames

    def score(
        self, video: PropagationVideo, prediction: Mapping[str, Any]
    ) -> VideoScores:
        """Score the masks of one video against ``meta['labels']``."""
        truths = video.meta['labels']
        return score_video(prediction['masks'], truths, self.bound, self.all_frames)

    def summarise(self, scores: Mapping[str, VideoScores]) -> dict[str, float]:
        """Average over all objects."""
        return global_scores(scores)

    def warn(self, scores: Mapping[str, VideoScores]) -> None:
        """Warn of videos without a frame that is scored."""
        short = [name for name, video in scores.items() if not video.frames]
        if short:
            print_log(
                f'{len(short)} videos have no frame between the first and the last, '
                f'which are not scored, and are left out (first: {short[0]})',
                'current',
                WARNING,
            )

    @property
    def split(self) -> str:
        """Name of the split, for file names."""
        return str((self.dataset_meta or {}).get('split', 'val'))

    def tabulate(
        self, scores: Mapping[str, VideoScores], summary: Mapping[str, float]
    ) -> str:
        """The global numbers, and J and F of each object."""
        globals_ = [f'{summary[name]:.3f}' for name in GLOBAL_MEASURES]
        objects = [
            (name, f'{J:.3f}', f'{F:.3f}') for name, J, F in per_object_rows(scores)
        ]
        return '\n\n'.join(
            (
                text_table(GLOBAL_MEASURES, [globals_]),
                text_table(('Sequence', 'J-Mean', 'F-Mean'), objects),
            )
        )

    def write_tables(
        self,
        folder: Path,
        scores: Mapping[str, VideoScores],
        summary: Mapping[str, float],
    ) -> None:
        """Write the JSON file and the official tables."""
        super().write_tables(folder, scores, summary)
        write_davis_tables(folder, scores, summary, self.split)

    def details(
        self, scores: Mapping[str, VideoScores], summary: Mapping[str, float]
    ) -> dict[str, Any]:
        """All scores: global, per object and per frame."""
        objects = {}
        for name, video in scores.items():
            for k in range(video.num_objects):
                entry: dict[str, Any] = {'frames': list(video.frames)}
                for measure in ('J', 'F'):
                    row = getattr(video, measure)[k]
                    numbers = statistics(row)
                    entry |= {
                        measure: row.tolist(),
                        f'{measure}-Mean': numbers.mean,
                        f'{measure}-Recall': numbers.recall,
                        f'{measure}-Decay': numbers.decay,
                    }
                objects[f'{name}_{k + 1}'] = entry
        return {'global': dict(summary), 'per_object': objects}


def per_object_rows(scores: Mapping[str, VideoScores]) -> list[tuple[str, float, float]]:
    """Name (``<video>_<id>``), mean J and mean F of each object."""
    return [
        (
            f'{name}_{k + 1}',
            statistics(video.J[k]).mean,
            statistics(video.F[k]).mean,
        )
        for name, video in scores.items()
        for k in range(video.num_objects)
    ]


def write_davis_tables(
    folder: Path,
    scores: Mapping[str, VideoScores],
    summary: Mapping[str, float],
    split: str = 'val',
) -> tuple[Path, Path]:
    """Write the two tables of the official toolkit.

    Args:
        folder: Where to, a folder that exists.
        scores: Scores of the videos, in the order of the table.
        summary: See :func:`global_scores`.
        split: Name of the split, for the names of the files.

    Returns:
        The files ``global_results-<split>.csv`` and
        ``per-sequence_results-<split>.csv``.
    """
    overall = folder / f'global_results-{split}.csv'
    objects = folder / f'per-sequence_results-{split}.csv'
    row: Sequence[float] = [summary[name] for name in GLOBAL_MEASURES]
    write_csv(overall, GLOBAL_MEASURES, [row])
    write_csv(objects, ('Sequence', 'J-Mean', 'F-Mean'), per_object_rows(scores))
    return overall, objects
