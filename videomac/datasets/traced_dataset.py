"""A data set that tells at which sample each worker is, whatever it holds."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from .dataset_proxy import DatasetProxy
from .reading_now import ReadingNow
from .resumable_loader import Draw
from .sources.diagnosis import printable

__all__ = ['TracedDataset']


class TracedDataset(DatasetProxy):
    """A data set whose workers note what they read.

    Args:
        dataset: Any data set with indices.

    Attributes:
        reading: Which sample each worker is at.
    """

    OWN = ('dataset', 'reading')

    def __init__(self, dataset: Any) -> None:
        super().__init__(dataset)
        self.reading = ReadingNow()

    def __getitem__(self, index: Any) -> Any:
        """Make a sample, of an index or of a :class:`Draw`."""
        number = index.index if isinstance(index, Draw) else index
        # Indices may be anything that the data set understands.
        traced = hasattr(number, '__index__')
        with self.reading.at(int(number)) if traced else nullcontext():
            return self.dataset[index]

    def describe(self, index: int) -> str:
        """Name a sample and, where the data set knows it, its file."""
        text = f'sample {index}'
        try:
            path = self.dataset.get_data_info(index)['img_path']
            return printable(f'{text} ({path})') if path else text
        except Exception:
            # Only data sets of mmengine have the method, and not all of these a path.
            # Whatever it raises must not take the place of the error that is told here.
            return text
