"""A data set that stands for another one."""

from __future__ import annotations

from typing import Any

from torch.utils.data import Dataset

__all__ = ['DatasetProxy']


class DatasetProxy(Dataset[Any]):
    """Base of data sets that wrap another one.

    All but the attributes of ``OWN`` is that of the data set within: attributes are read
    from it and written to it, so that hooks which replace its ``pipeline``, say, have
    their effect.

    Args:
        dataset: Any data set with indices.

    Attributes:
        OWN: Names of the attributes that are the proxy's.
    """

    OWN: tuple[str, ...] = ('dataset',)

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.OWN or name.startswith('__'):
            super().__setattr__(name, value)
        else:
            setattr(self.dataset, name, value)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: Any) -> Any:
        return self.dataset[index]

    def __getattr__(self, name: str) -> Any:
        # Protocols of Python and torch (`__getitems__`) must not bypass __getitem__.
        if name.startswith('__') or name in self.OWN:
            raise AttributeError(name)
        return getattr(self.dataset, name)
