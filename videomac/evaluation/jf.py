"""Region similarity J and boundary accuracy F of DAVIS.

Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object
Segmentation", CVPR 2016; with several objects Pont-Tuset et al., "The 2017 DAVIS
Challenge on Video Object Segmentation", 2017. Where the papers leave room, the numbers
are those of the official toolkit ``davis2017-evaluation``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .bit_masks import Bits, boundary, count, dilate, extent, pack, pack_ids

__all__ = [
    'GLOBAL_MEASURES',
    'Statistics',
    'VideoScores',
    'check_bound',
    'global_scores',
    'num_objects_of',
    'score_frame',
    'score_video',
    'statistics',
    'tolerance_pixels',
]

Ids = NDArray[np.uint8]
Scores = NDArray[np.float64]
VOID = 255
# Columns of the official table, in its order.
GLOBAL_MEASURES = (
    'J&F-Mean',
    'J-Mean',
    'J-Recall',
    'J-Decay',
    'F-Mean',
    'F-Recall',
    'F-Decay',
)


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the toolkits report of one measure of one object.

    Args:
        mean: Mean over the frames.
        recall: Share of frames with a score above 0.5.
        decay: Mean of the first quarter of the frames less that of the last.
    """

    mean: float
    recall: float
    decay: float


@dataclass(frozen=True, slots=True)
class VideoScores:
    """J and F of one video.

    Args:
        J: Region similarity of K objects in N frames, ``[K, N]``, in [0, 1].
        F: Boundary accuracy, ``[K, N]``, in [0, 1].
        frames: Which frames of the video were scored, N indices.
    """

    J: Scores
    F: Scores
    frames: tuple[int, ...]

    @property
    def num_objects(self) -> int:
        """Number K of objects."""
        return len(self.J)


def num_objects_of(first: Ids) -> int:
    """Count the objects of a video.

    Args:
        first: Ids of the first annotation ``[H, W]``; 255 is void.

    Returns:
        The largest id. An id below it that never occurs counts as an object too, and
        one that comes later in the video does not, as in the official toolkit.
    """
    return int(np.where(first == VOID, 0, first).max(initial=0))


def check_bound(bound: float) -> None:
    """Check a tolerance of boundaries, see :func:`tolerance_pixels`.

    Raises:
        ValueError: It is neither a share of the diagonal nor a number of pixels.
    """
    number = isinstance(bound, int | float) and not isinstance(bound, bool)
    if not number or not (0 <= bound < 1 or (bound >= 1 and float(bound).is_integer())):
        raise ValueError(
            f'bound must be a share of the diagonal in [0, 1) or a whole number of '
            f'pixels, got {bound!r}'
        )


def tolerance_pixels(height: int, width: int, bound: float = 0.008) -> int:
    """How far apart two boundary pixels may lie to count as one.

    Args:
        height: Height of the full picture.
        width: Width of the full picture.
        bound: Share of the diagonal; from 1 on a number of pixels.

    Returns:
        ``ceil(bound * sqrt(height ** 2 + width ** 2))``: 8 at 480 x 854.

    Raises:
        ValueError: ``bound`` is negative, or above 1 and no whole number.
    """
    check_bound(bound)
    return int(bound if bound >= 1 else np.ceil(bound * np.hypot(height, width)))


def score_frame(
    prediction: Ids,
    truth: Ids,
    num_objects: int,
    bound: float = 0.008,
    void: NDArray[np.bool_] | None = None,
) -> tuple[Scores, Scores]:
    """Score all objects of one frame.

    J is the intersection over the union, 1 if both masks are empty. F is the harmonic
    mean of the precision and the recall of boundary pixels, matched within a disk; an
    empty boundary matches an empty one.

    Args:
        prediction: Object ids ``[H, W]``. Pixels of other ids are background.
        truth: Annotated object ids ``[H, W]``.
        num_objects: Number K of objects, with ids 1 to K.
        bound: See :func:`tolerance_pixels`.
        void: Pixels ``[H, W]`` that neither J nor F shall see. The official
            semi-supervised scores leave none out.

    Returns:
        J and F of the objects, two arrays ``[K]``.

    Raises:
        ValueError: The sizes differ.
    """
    if prediction.shape != truth.shape or truth.ndim != 2:
        raise ValueError(
            f'prediction {list(prediction.shape)} and annotation {list(truth.shape)} '
            'must be of one size [H, W]; resize the prediction with nearest neighbours'
        )
    height, width = truth.shape
    radius = tolerance_pixels(height, width, bound)
    predicted = pack_ids(prediction, num_objects)  # [K, H, words]
    annotated = pack_ids(truth, num_objects)
    if void is not None:
        seen = ~pack(void)
        predicted, annotated = predicted & seen, annotated & seen
    edges, true_edges = boundary(predicted, width), boundary(annotated, width)
    both, either = predicted & annotated, predicted | annotated
    J, F = np.empty(num_objects), np.empty(num_objects)
    for k in range(num_objects):
        union = count(either[k])
        J[k] = count(both[k]) / union if union else 1.0
        F[k] = _boundary_accuracy(edges[k], true_edges[k], radius)
    return J, F


def _boundary_accuracy(predicted: Bits, annotated: Bits, radius: int) -> float:
    """F of two boundaries ``[H, words]``."""
    num_predicted, num_annotated = count(predicted), count(annotated)
    if num_predicted == 0 or num_annotated == 0:
        # Precision and recall are then 0 and 1 or, with two empty boundaries, 1 and 1.
        return float(num_predicted == num_annotated)
    rows, words = extent(predicted | annotated)
    maps = np.stack((predicted, annotated))[:, rows, words]
    near = dilate(maps, radius)
    precision = count(maps[0] & near[1]) / num_predicted
    recall = count(maps[1] & near[0]) / num_annotated
    if precision + recall == 0:
        return 0.0
    return 2 * precision * recall / (precision + recall)


def score_video(
    predictions: Sequence[Ids] | Ids,
    truths: Sequence[Ids] | Ids,
    bound: float = 0.008,
    all_frames: bool = False,
) -> VideoScores:
    """Score one video.

    Void pixels (255) of the annotation are background, as in the official scores.

    Args:
        predictions: Object ids of T frames, each ``[H, W]``.
        truths: Annotated ids of the same frames. The first says how many objects
            there are, see :func:`num_objects_of`.
        bound: See :func:`tolerance_pixels`.
        all_frames: Score the first and the last frame too. The official scores, of
            2016 and 2017, leave out both.

    Raises:
        ValueError: The numbers of frames differ, a prediction has an id that is no
            object's, or sizes differ.
    """
    if len(predictions) != len(truths):
        raise ValueError(
            f'{len(predictions)} predicted frames for {len(truths)} annotated ones'
        )
    if len(truths) == 0:
        raise ValueError('a video without frames cannot be scored')
    num_objects = num_objects_of(truths[0])
    frames = tuple(range(len(truths)) if all_frames else range(1, len(truths) - 1))
    J = np.empty((num_objects, len(frames)))
    F = np.empty((num_objects, len(frames)))
    for n, t in enumerate(frames):
        prediction, truth = predictions[t], truths[t]
        largest = int(prediction.max(initial=0))
        if largest > num_objects:
            raise ValueError(
                f'frame {t} of the prediction has the id {largest}, but the first '
                f'annotation has {num_objects} objects{_hint(prediction)}'
            )
        try:
            J[:, n], F[:, n] = score_frame(prediction, truth, num_objects, bound)
        except ValueError as error:
            raise ValueError(f'frame {t}: {error}') from None
    return VideoScores(J, F, frames)


def _hint(prediction: Ids) -> str:
    """What a strange id may come from."""
    if set(np.unique(prediction)) <= {0, VOID}:
        return '. It holds 0 and 255 only: write object ids, not black and white'
    if (prediction == VOID).any():
        return '. 255 marks void in annotations and must not be predicted'
    return ''


def statistics(scores: Scores) -> Statistics:
    """Mean, recall and decay over the frames of one object.

    The N frames are cut at ``round(linspace(1, N, 5))``; neighbouring quarters share a
    frame. The official code keeps the cuts in eight bits, so that it differs for
    videos of more than 256 scored frames, which DAVIS does not have.

    Args:
        scores: Scores of one object ``[N]``. NaN is left out of means and no recall.

    Returns:
        The three numbers, NaN if there is no frame.
    """
    if len(scores) == 0:
        return Statistics(np.nan, np.nan, np.nan)
    cuts = (np.round(np.linspace(1, len(scores), 5) + 1e-10) - 1).astype(int)
    first, last = scores[: cuts[1] + 1], scores[cuts[3] : cuts[4] + 1]
    recall = float(np.mean(scores > 0.5))
    return Statistics(_nanmean(scores), recall, _nanmean(first) - _nanmean(last))


def _nanmean(values: Scores) -> float:
    """Mean of the numbers among the values, without a warning if there are none."""
    numbers = values[~np.isnan(values)]
    return float(numbers.mean()) if len(numbers) else np.nan


def global_scores(videos: Mapping[str, VideoScores]) -> dict[str, float]:
    """Average over all objects of all videos, whatever video they are of.

    Args:
        videos: Scores of the videos. Objects without a scored frame are left out.

    Returns:
        :data:`GLOBAL_MEASURES`, in [0, 1] (decay in [-1, 1]).
    """
    result = {}
    for name in ('J', 'F'):
        objects = [
            statistics(row) for scores in videos.values() for row in getattr(scores, name)
        ]
        for field in ('mean', 'recall', 'decay'):
            values = np.array([getattr(item, field) for item in objects], np.float64)
            result[f'{name}-{field.capitalize()}'] = _nanmean(values)
    result['J&F-Mean'] = (result['J-Mean'] + result['F-Mean']) / 2
    return {name: result[name] for name in GLOBAL_MEASURES}
