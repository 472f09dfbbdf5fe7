"""The length of a pass is that of the samplers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from mmengine.dataset import DefaultSampler
from torch.utils.data import BatchSampler

from videomac.utils.passes import iterations_per_pass


def dealt(
    samples: int, rank: int, processes: int, size: int, drop_last: bool = True
) -> list[list[int]]:
    """The batches that mmengine and torch make for a process."""
    sampler = DefaultSampler(range(samples), shuffle=False)
    sampler.rank, sampler.world_size = rank, processes
    sampler.num_samples = -(-samples // processes)
    sampler.total_size = sampler.num_samples * processes
    return list(BatchSampler(sampler, size, drop_last=drop_last))


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_rounding_is_that_of_the_samplers(
    samples: int, processes: int, size: int, drop_last: bool
) -> None:
    """Each process has as many batches."""
    found = {
        len(dealt(samples, rank, processes, size, drop_last)) for rank in range(processes)
    }
    assert found == {iterations_per_pass(samples, processes, size, drop_last)}
