"""PCK of JHMDB as a metric of mmengine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from videomac.datasets.jhmdb import JHMDB_JOINTS
from videomac.datasets.propagation_sample import PropagationVideo
from videomac.registry import METRICS
from videomac.utils.arguments import check_flags, check_positive

from .jhmdb import PCK_THRESHOLDS, joint_distances, pck
from .tables import text_table, write_csv
from .video_metric import VideoMetric

__all__ = ['PCKMetric']

Distances = NDArray[np.float64]


@METRICS.register_module()
class PCKMetric(VideoMetric):
    """Percentage of correct keypoints, ``PCK@0.1`` to ``PCK@0.5``.

    A joint is correct if it is closer to its place than the threshold times 0.6 of the
    diagonal of the person, see :func:`joint_distances`. Percentages are computed for
    each joint over all videos and then averaged over the joints.

    Args:
        thresholds: Distances, in sizes of the person.
        scale: Share of the diagonal that is the size of the person.
        first_frame: Count the first frame, whose joints were given, too.
        visible_above_zero: Joints are visible where x is above 0, rather than at least
            0. With ``first_frame`` too these are the rules of VFS, whose numbers must
            not be mixed with the others'.
        out_dir: Folder for the tables; None to write none.
        prefix: Prefix of the names of the results.

    Raises:
        ValueError: An argument is out of its range.
    """

    needs: ClassVar = {'points': 'it has no annotated joints; use JHMDBDataset'}

    def __init__(
        self,
        thresholds: Sequence[float] = PCK_THRESHOLDS,
        scale: float = 0.6,
        first_frame: bool = False,
        visible_above_zero: bool = False,
        out_dir: str | None = None,
        prefix: str = 'JHMDB',
    ) -> None:
        super().__init__(out_dir, prefix)
        check_positive(scale=scale)
        for threshold in thresholds:
            check_positive(thresholds=threshold)
        check_flags(first_frame=first_frame, visible_above_zero=visible_above_zero)
        self.thresholds = tuple(thresholds)
        self.scale = scale
        self.first_frame = first_frame
        self.visible_above_zero = visible_above_zero

    def score(self, video: PropagationVideo, prediction: Mapping[str, Any]) -> Distances:
        """Distances of the joints of one video, ``[T, J]``."""
        points = np.asarray(prediction['points'], np.float64)
        x = points[..., 0]
        # Not x > 0: a joint that is not a number was predicted, and is a miss.
        visible = ~(x <= 0) if self.visible_above_zero else ~(x < 0)
        if 'visible' in prediction:
            visible = visible & np.asarray(prediction['visible'], np.bool_)
        truth = video.meta['points']
        return joint_distances(points, visible, truth, self.scale, self.first_frame)

    def summarise(self, scores: Mapping[str, Distances]) -> dict[str, float]:
        """Average over the joints."""
        shares = pck(list(scores.values()), self.thresholds)
        return {f'PCK@{t:g}': _percent(share) for t, share in shares.items()}

    def tabulate(
        self, scores: Mapping[str, Distances], summary: Mapping[str, float]
    ) -> str:
        """Percentages of each joint, and their means."""
        shares = pck(list(scores.values()), self.thresholds)
        rows = [
            (name, *(f'{100 * shares[t][j]:.2f}' for t in self.thresholds))
            for j, name in enumerate(JHMDB_JOINTS)
        ]
        rows.append(('mean', *(f'{value:.2f}' for value in summary.values())))
        return text_table(('joint', *summary), rows)

    def write_tables(
        self, folder: Path, scores: Mapping[str, Distances], summary: Mapping[str, float]
    ) -> None:
        """Write the JSON file and a table of the videos."""
        super().write_tables(folder, scores, summary)
        rows: list[list[str | float]] = []
        for name, one in scores.items():
            shares = pck([one], self.thresholds).values()
            rows.append([name, *(_percent(share) for share in shares)])
        header = ('Sequence', *summary)
        write_csv(folder / f'{self.file_stem}_per-sequence.csv', header, rows)

    def details(
        self, scores: Mapping[str, Distances], summary: Mapping[str, float]
    ) -> dict[str, Any]:
        """Summary, and the percentages of each joint at each threshold."""
        shares = pck(list(scores.values()), self.thresholds)
        joints = {
            name: [float(100 * shares[t][j]) for t in self.thresholds]
            for j, name in enumerate(JHMDB_JOINTS)
        }
        return {
            'summary': dict(summary),
            'thresholds': list(self.thresholds),
            'joints': joints,
        }


def _percent(share: NDArray[np.float64]) -> float:
    """Mean over the joints that count, in percent."""
    counts = ~np.isnan(share)
    return float(100 * share[counts].mean()) if counts.any() else np.nan
