"""Accuracy of classifiers of any number of classes."""

from __future__ import annotations

from typing import Any

from mmpretrain.evaluation import Accuracy

from ..registry import METRICS

__all__ = ['ClassAccuracy']


@METRICS.register_module()
class ClassAccuracy(Accuracy):  # type: ignore[misc]
    """mmpretrain's top-k accuracy, in percent, without the k that there are too few for.

    ImageNet's top-5 has no meaning on an image folder of two classes, where mmpretrain's
    own metric raises an error after the first epoch.

    Args:
        **kwargs: ``topk``, ``thrs`` and others of ``mmpretrain.evaluation.Accuracy``.
    """

    default_prefix = 'accuracy'
    topk: tuple[int, ...]

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """Compute the accuracy at each k.

        Args:
            results: Of each image ``pred_score`` [classes] or ``pred_label`` [1], and
                ``gt_label`` [1].

        Raises:
            ValueError: There is no k that there are classes enough for.
        """
        if 'pred_score' in results[0]:
            classes = len(results[0]['pred_score'])
            kept = tuple(k for k in self.topk if k <= classes)
            if not kept:
                raise ValueError(
                    f'topk={self.topk} of the evaluator: there are {classes} classes; '
                    'give a smaller k'
                )
            self.topk = kept
        found: dict[str, float] = super().compute_metrics(results)
        return found
