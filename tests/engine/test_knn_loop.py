"""The bank of features that several processes put together."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.runner import TestLoop
from torch.utils.data import DataLoader, DistributedSampler

from videomac.engine import KNNTestLoop, knn_loop


@given(count=st.integers(1, 20), processes=st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_shares_of_processes_join_in_the_order_of_the_data(
    count: int, processes: int
) -> None:
    """The sampler of torch says who computes what; it repeats samples to fill up."""
    features = torch.randn(count, 3)
    data: Any = range(count)
    shares = [
        features[list(DistributedSampler(data, processes, rank, shuffle=False))]
        for rank in range(processes)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(knn_loop, 'get_world_size', lambda: processes)
        patch.setattr(knn_loop, 'all_gather', lambda own: shares)
        parts = shares[0].split(2)
        joined = knn_loop._join(parts, DataLoader(data))
    assert torch.equal(joined, features)


@pytest.mark.parametrize(('shuffle', 'drop_last'), [(True, False), (False, True)])
def test_a_bank_that_may_miss_images_is_refused(
    shuffle: bool, drop_last: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    data: Any = range(4)
    monkeypatch.setattr(TestLoop, '__init__', lambda *args: None)
    monkeypatch.setattr(TestLoop, 'dataloader', DataLoader(data), raising=False)

    def bank(shuffle: bool, drop_last: bool) -> DataLoader[Any]:
        sampler: Any = DistributedSampler(data, 1, 0, shuffle=shuffle)
        return DataLoader(data, sampler=sampler, drop_last=drop_last)

    KNNTestLoop(None, None, None, bank(False, False))
    with pytest.raises(ValueError, match='see every image once'):
        KNNTestLoop(None, None, None, bank(shuffle, drop_last))
