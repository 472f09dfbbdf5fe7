"""A checkpoint that is not the model's stops the run."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from videomac.engine import StrictLoadHook


def load(state: dict[str, torch.Tensor], model: nn.Module) -> None:
    runner = SimpleNamespace(model=model)
    StrictLoadHook().after_load_checkpoint(runner, dict(state_dict=state, meta={}))


def test_what_fits_passes() -> None:
    model = nn.Linear(3, 2)
    load(dict(model.state_dict()), model)
    load({f'module.{name}': value for name, value in model.state_dict().items()}, model)


def test_what_does_not_is_listed() -> None:
    model = nn.Linear(3, 2)
    state = {'weight': torch.ones(3, 2), 'scale': torch.ones(2)}
    with pytest.raises(ValueError, match='does not fit Linear') as error:
        load(state, model)
    assert str(error.value).splitlines()[1:4] == [
        '  1 missing: bias',
        '  1 unexpected: scale',
        '  1 of another shape: weight (3, 2), not (2, 3)',
    ]


def test_long_lists_are_counted_and_cut() -> None:
    model = nn.Sequential(*(nn.Linear(1, 1) for _ in range(4)))
    with pytest.raises(ValueError, match=r'8 missing: 0\.weight, .*, \.\.\.'):
        load({}, model)
