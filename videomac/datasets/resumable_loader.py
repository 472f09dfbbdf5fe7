"""Data loaders that can begin anywhere, and whose samples do not depend on the past."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, NamedTuple

from torch.utils.data import DataLoader, IterableDataset, Sampler

from ..utils.randomness import mixed_seed, seeded
from ..utils.signals import shielding
from .dataset_proxy import DatasetProxy

__all__ = ['Draw', 'ResumableBatches', 'SeededDataset', 'begin_pass', 'resumable']

# Arguments of a loader that say what is read in which order; the rest is how.
_ORDER = {'dataset', 'batch_size', 'shuffle', 'sampler', 'batch_sampler', 'drop_last'}


class Draw(NamedTuple):
    """A sample as it is drawn: its index in the data set and the seed of its making."""

    index: Any
    seed: int


class SeededDataset(DatasetProxy):
    """A data set whose random transforms depend on the seed of a :class:`Draw` alone.

    It does not matter then which worker makes a sample, how many there are, and which
    samples were made before. Torch's, NumPy's and Python's global generators are seeded.
    Everything else is that of the data set within, as of every proxy.

    Args:
        dataset: Any data set with indices.
    """

    def __getitem__(self, draw: Any) -> Any:
        """Make a sample; a plain index is passed on."""
        if not isinstance(draw, Draw):
            return self.dataset[draw]
        with seeded(draw.seed):
            return self.dataset[draw.index]


class ResumableBatches(Sampler[list[Draw]]):
    """The batches of a sampler from any of them on, each index with a seed.

    The seed of a sample is a function of the run's seed, the pass over the data and the
    place of the sample in it. Indices are dealt to the processes in turn (as mmengine's
    samplers do), so that it depends on the number of processes neither.

    Args:
        batches: Sampler of batches of one process. Its order must be a function of its
            seed and of what ``set_epoch`` was given, as that of mmengine's samplers is.
        seed: Seed of the run.
        rank: Number of this process.
        processes: Number of processes.
    """

    def __init__(self, batches: Any, seed: int, rank: int = 0, processes: int = 1):
        self.batches = batches
        self.seed = seed
        self.rank = rank
        self.processes = processes
        self._pass = 0
        self._first = 0

    @property
    def sampler(self) -> Any:
        """The sampler of indices; mmengine sets its epoch."""
        return self.batches.sampler

    @property
    def batch_size(self) -> Any:
        """Samples in a batch of one process."""
        return getattr(self.batches, 'batch_size', None)

    @property
    def drop_last(self) -> bool:
        """Whether an incomplete batch is left out."""
        return getattr(self.batches, 'drop_last', False)

    @property
    def order_seed(self) -> Any:
        """Seed of the order of the samples; None if the sampler has none."""
        return getattr(self.sampler, 'seed', None)

    @order_seed.setter
    def order_seed(self, seed: int) -> None:
        self.sampler.seed = seed

    def begin(self, number: int, first: int) -> None:
        """Set the pass over the data, from 0, and its batch to begin with."""
        self._pass, self._first = number, first
        if hasattr(self.sampler, 'set_epoch'):
            self.sampler.set_epoch(number)

    def __len__(self) -> int:
        """Batches of a whole pass, wherever it begins."""
        return len(self.batches)

    def __iter__(self) -> Iterator[list[Draw]]:
        number, first = self._pass, self._first
        drawn = 0
        for position, indices in enumerate(self.batches):
            if position >= first:
                yield [
                    Draw(index, self._seed_of(number, drawn + place))
                    for place, index in enumerate(indices)
                ]
            drawn += len(indices)

    def _seed_of(self, number: int, place: int) -> int:
        return mixed_seed(self.seed, 'sample', number, place * self.processes + self.rank)


def resumable(
    loader: DataLoader[Any], seed: int, rank: int = 0, processes: int = 1
) -> DataLoader[Any]:
    """Make a loader of the same data in the same order that can begin anywhere.

    Args:
        loader: A loader that has not been iterated over.
        seed: Seed of the run.
        rank: Number of this process.
        processes: Number of processes.

    Returns:
        The new loader; the same one where this cannot be done, that is for a stream
        (``IterableDataset``), for unbatched data and for classes of loaders other than
        torch's.
    """
    if (
        type(loader) is not DataLoader
        or isinstance(loader.dataset, IterableDataset)
        or loader.batch_sampler is None
    ):
        return loader
    names = set(inspect.signature(DataLoader).parameters) - _ORDER
    how = {name: getattr(loader, name) for name in names if hasattr(loader, name)}
    return DataLoader(
        SeededDataset(loader.dataset),
        batch_sampler=ResumableBatches(loader.batch_sampler, seed, rank, processes),
        **how,
    )


def begin_pass(loader: Any, number: int, first: int) -> Iterator[Any]:
    """Start a pass over the data at one of its batches.

    What is left out is not read. The workers never receive the signals that ask to
    stop; see :mod:`videomac.utils.signals`.

    Args:
        loader: A loader, from :func:`resumable` unless ``first`` is 0.
        number: Number of the pass, from 0.
        first: Number of the first batch.
    """
    batches = getattr(loader, 'batch_sampler', None)
    if isinstance(batches, ResumableBatches):
        batches.begin(number, first)
    with shielding():
        return iter(loader)
