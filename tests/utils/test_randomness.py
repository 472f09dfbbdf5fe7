"""Random numbers of a seed, and those that come after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from videomac.utils.randomness import seeded


@pytest.mark.parametrize(
    'seed', [0, 7, 2**31, 2**64 - 1, -1, np.int64(5), np.uint64(2**63), torch.tensor(-4)]
)
def test_numbers_are_the_seeds_and_the_state_comes_back(seed: Any) -> None:
    torch.manual_seed(seed)
    expected = torch.randn(5)
    torch.manual_seed(3)
    torch.randn(1)
    state = torch.get_rng_state()
    with seeded(seed):
        assert torch.equal(torch.randn(5), expected)
    assert torch.equal(torch.get_rng_state(), state)
    with pytest.raises(KeyError), seeded(seed):
        raise KeyError
    assert torch.equal(torch.get_rng_state(), state)


def test_generators_of_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the device that is named, and of no other."""
    done: list[Any] = []

    @contextmanager
    def chosen(gpu: Any) -> Iterator[None]:
        done.append(gpu)
        yield

    def keep(gpu: Any) -> str:
        done.append(('get', gpu))
        return 'state'

    def seed_all(seed: int) -> None:
        raise AssertionError('all GPUs are seeded')

    gpu = torch.device('cuda', 1)
    monkeypatch.setattr('torch.cuda.device', chosen)
    monkeypatch.setattr('torch.cuda.get_rng_state', keep)
    monkeypatch.setattr('torch.cuda.set_rng_state', lambda *args: done.append(args))
    monkeypatch.setattr('torch.cuda.manual_seed', done.append)
    monkeypatch.setattr('torch.cuda.manual_seed_all', seed_all)
    with seeded(5):
        pass
    assert not done
    with seeded(5, 'cuda:1'):
        assert done == [('get', gpu), gpu, 5]
    assert done[3:] == [('state', gpu)]
