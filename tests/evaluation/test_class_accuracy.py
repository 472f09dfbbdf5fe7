"""Top-k accuracy against counting by hand, on few classes and many."""

from __future__ import annotations

import pytest
import torch
from mmpretrain.structures import DataSample

from videomac.registry import METRICS


@pytest.mark.parametrize('classes', [2, 4, 5, 9])
def test_each_k_that_there_are_classes_for(classes: int) -> None:
    generator = torch.Generator().manual_seed(classes)
    scores = torch.rand(40, classes, generator=generator)
    labels = torch.randint(classes, (40,), generator=generator)
    samples = [
        DataSample().set_pred_score(score).set_gt_label(int(label)).to_dict()
        for score, label in zip(scores, labels, strict=True)
    ]
    metric = METRICS.build(dict(type='ClassAccuracy', topk=(1, 5)))
    metric.process({}, samples)
    found = metric.evaluate(len(samples))
    # The label's place among the scores of its image, counted from 0.
    own = scores.gather(1, labels[:, None])
    places = (scores > own).sum(1)
    expected = {
        f'accuracy/top{k}': 100 * (places < k).double().mean().item()
        for k in (1, 5)
        if k <= classes
    }
    assert found == pytest.approx(expected)


def test_no_k_is_left() -> None:
    metric = METRICS.build(dict(type='ClassAccuracy', topk=(5,)))
    sample = DataSample().set_pred_score(torch.rand(3)).set_gt_label(1).to_dict()
    metric.process({}, [sample])
    with pytest.raises(ValueError, match=r'topk=\(5,\) .* 3 classes'):
        metric.evaluate(1)
