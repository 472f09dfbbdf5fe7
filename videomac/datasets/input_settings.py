"""How frames become the input of a network, as values."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ..registry import DATASETS
from ..utils import config_class
from ..utils.arguments import check_flags
from .network_frames import network_size
from .propagation_base import PropagationDataset

__all__ = ['InputSettings']


@dataclass(frozen=True)
class InputSettings:
    """What a data set of label propagation fixes of the network's input.

    Args:
        size: See :func:`~videomac.datasets.network_frames.network_size`.
        multiple: The same.
        mean: Mean of red, green and blue in [0, 1] to subtract.
        std: Deviation to divide by.
        round_resized: See :func:`~videomac.datasets.network_frames.network_tensor`.

    Raises:
        ValueError: If an argument is out of its range.
    """

    size: int | Sequence[int] | None
    multiple: int
    mean: Sequence[float]
    std: Sequence[float]
    round_resized: bool

    def __post_init__(self) -> None:
        """Check the arguments."""
        check_flags(round_resized=self.round_resized)
        network_size((1, 1), self.size, self.multiple)

    @classmethod
    def of(cls, dataset: Mapping[str, Any]) -> InputSettings:
        """Take them from the config of a data set, without building it.

        Args:
            dataset: The config. What it leaves out is the default of its class.

        Raises:
            ValueError: If a value is out of its range.
        """
        kind = config_class(DATASETS, dataset)
        known = {'size': None, **_defaults(kind), **dataset}
        return cls(**{field.name: known[field.name] for field in fields(cls)})


def _defaults(kind: Any) -> dict[str, Any]:
    """Defaults of a data set's arguments, of its bases' where it only passes them on."""
    bases = inspect.getmro(kind) if inspect.isclass(kind) else ()
    return {
        name: argument.default
        for base in (PropagationDataset, *reversed(bases))
        for name, argument in inspect.signature(base).parameters.items()
        if argument.default is not argument.empty
    }
