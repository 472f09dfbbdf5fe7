"""Loaders begin anywhere, and samples are functions of their place."""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterator
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmengine.dataset import DefaultSampler
from mmpretrain.engine.hooks import SwitchRecipeHook
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, Subset

from videomac.datasets.resumable_loader import (
    Draw,
    ResumableBatches,
    SeededDataset,
    begin_pass,
    resumable,
)
from videomac.utils.randomness import mixed_seed, seed_generators, seeded


class Dice(Dataset[torch.Tensor]):
    """Throws the dice of all three generators."""

    metainfo = {'sides': 6}

    def __init__(self, length: int = 11) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> torch.Tensor:
        thrown = [index, random.random(), np.random.rand(), float(torch.rand(()))]
        return torch.tensor(thrown, dtype=torch.float64)


class Pictures(Dataset[str]):
    """Has one sample and a pipeline for it, as the data sets of mmpretrain."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.pipeline: Any = str.title

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> str:
        return str(self.pipeline(self.path))


def through_pickle(value: Any) -> Any:
    """What a worker that is spawned gets."""
    return pickle.loads(pickle.dumps(value))


def make(length: int = 11, batch_size: int = 2, rank: int = 0, world: int = 1) -> Any:
    """A shuffled loader of one of several processes."""
    data = Dice(length)
    sampler = DefaultSampler(data, shuffle=True, seed=5)
    # Outside of a process group mmengine's sampler cannot be told these.
    sampler.rank, sampler.world_size = rank, world
    sampler.num_samples = -(-length // world)
    sampler.total_size = sampler.num_samples * world
    return resumable(DataLoader(data, batch_size, sampler=sampler), 7, rank, world)


@given(length=st.integers(1, 30), size=st.integers(1, 7), data=st.data())
def test_rest_of_a_pass(length: int, size: int, data: st.DataObject) -> None:
    """What is read from a batch on is what a whole pass reads from there."""
    number = data.draw(st.integers(0, 3))
    whole = list(begin_pass(make(length, size), number, 0))
    first = data.draw(st.integers(0, len(whole)))
    loader = make(length, size)
    seed_generators(data.draw(st.integers(0, 2**64 - 1)))  # of no importance
    rest = list(begin_pass(loader, number, first))
    assert len(loader) == len(whole) == -(-length // size)
    assert [each.tolist() for each in rest] == [each.tolist() for each in whole[first:]]


def test_processes_share_the_samples_of_one() -> None:
    """Two processes with half the batch read what one reads, noise and all."""
    (one,) = [torch.stack(list(begin_pass(make(12, 4), 1, 0)))]
    two = [torch.stack(list(begin_pass(make(12, 2, rank, 2), 1, 0))) for rank in range(2)]
    # Indices are dealt out in turn.
    assert torch.equal(torch.stack(two, dim=2).flatten(1, 2), one)


def test_passes_and_places_differ() -> None:
    """No two draws of a sample are alike."""
    draws = [
        tuple(row.tolist())
        for number in range(4)
        for batch in begin_pass(make(), number, 0)
        for row in batch
    ]
    assert len({draw[1:] for draw in draws}) == len(draws) == 44


def test_generators_stay_as_they_were() -> None:
    """Loading in the process that trains does not disturb its own randomness."""

    def throw() -> list[float]:
        return [random.random(), np.random.rand(), float(torch.rand(()))]

    seed_generators(3)
    expected = [throw() for _ in range(2)]
    seed_generators(3)
    first = throw()
    assert SeededDataset(Dice())[Draw(2, 9)].shape == (4,)
    with pytest.raises(RuntimeError), seeded(1):
        torch.rand(3, out=torch.empty(3, dtype=torch.long))
    assert [first, throw()] == expected


def test_seeds() -> None:
    """Unrelated for neighbours, alike on every machine, and no place is ambiguous."""
    assert mixed_seed(1, 'sample', 2) == 13178461880966988285
    places: list[tuple[int | str, ...]] = [(1, 23), (12, 3), ('1', 23), (1, '23'), (123,)]
    seeds = [mixed_seed(*place) for place in places]
    assert len(set(seeds)) == len(seeds)
    bits = np.array([[mixed_seed(0, i) >> b & 1 for b in range(64)] for i in range(2000)])
    flips = (bits[1:] != bits[:-1]).mean(axis=0)
    assert abs(flips - 0.5).max() < 0.06  # five deviations of a fair coin


def test_the_rest_is_that_of_the_data_set() -> None:
    """Attributes and plain indices pass through; torch's protocols do not."""
    data = SeededDataset(Subset(Dice(), [4, 5]))
    assert len(data) == 2
    assert data.indices == [4, 5]
    assert not hasattr(data, '__getitems__')
    with pytest.raises(AttributeError):
        data.nothing  # noqa: B018
    assert SeededDataset(Dice()).metainfo == {'sides': 6}


@pytest.mark.parametrize('copied', [lambda each: each, deepcopy, through_pickle])
def test_what_is_written_reaches_the_data_set(copied: Any) -> None:
    """Hooks exchange the transforms of the data set in the course of a training."""
    within = Pictures('small')
    data = copied(SeededDataset(within))
    data.pipeline = str.upper
    assert data[0] == data.pipeline(within.path) == 'SMALL'
    assert vars(data).keys() == {'dataset'}
    data.dataset = Dice()
    assert data.metainfo == {'sides': 6}


def test_recipes_are_switched_as_without_the_wrapper() -> None:
    """By mmpretrain's own hook, in the loop's loader and in a plain one."""
    plain = DataLoader(Pictures('small'), collate_fn=list)
    for loader in (plain, resumable(DataLoader(Pictures('small'), collate_fn=list), 0)):
        SwitchRecipeHook._switch_train_pipeline(
            SimpleNamespace(train_loop=SimpleNamespace(dataloader=loader)), str.upper
        )
        assert list(begin_pass(loader, 0, 0)) == [['SMALL']]


def test_loader_keeps_its_settings() -> None:
    """Only the order is wrapped."""
    loader = DataLoader(Dice(), 3, drop_last=True, num_workers=2, prefetch_factor=5)
    made = resumable(loader, 0)
    assert isinstance(made.batch_sampler, ResumableBatches)
    assert (made.num_workers, made.prefetch_factor) == (2, 5)
    assert (made.batch_sampler.batch_size, made.batch_sampler.drop_last) == (3, True)
    assert len(made) == 3


class Stream(IterableDataset[int]):
    """Has no indices."""

    def __iter__(self) -> Iterator[int]:
        return iter(range(3))


@pytest.mark.parametrize(
    'loader', [DataLoader(Stream()), DataLoader(Dice(), batch_size=None)]
)
def test_what_cannot_begin_anywhere_stays(loader: DataLoader[Any]) -> None:
    """Streams and unbatched data come back as they are."""
    assert resumable(loader, 0) is loader


def test_order_seed() -> None:
    """The seed of the order can be put back; samplers without one have none."""
    batches = make().batch_sampler
    assert batches.order_seed == 5
    batches.order_seed = 6
    assert batches.sampler.seed == 6
    plain = ResumableBatches(BatchSampler(range(4), 2, False), 0)
    assert plain.order_seed is None
