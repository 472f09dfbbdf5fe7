"""bfloat16 wherever the model is."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from videomac.engine.bfloat16_optim_wrapper import BFloat16OptimWrapper


def wrapper(model: nn.Module) -> BFloat16OptimWrapper:
    return BFloat16OptimWrapper(optimizer=torch.optim.SGD(model.parameters(), lr=0.1))


def test_forward_pass_alone() -> None:
    model = nn.Linear(2, 2)
    with wrapper(model).optim_context(model):
        assert model(torch.ones(1, 2)).dtype is torch.bfloat16
    assert model(torch.ones(1, 2)).dtype is torch.float32


@pytest.mark.parametrize('device', ['cpu', 'cuda'])
def test_autocast_is_that_of_the_device(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A config of a machine without GPU may be trained on with one."""
    asked: list[Any] = []

    def autocast(kind: str, dtype: torch.dtype) -> Any:
        asked.append((kind, dtype))
        return nullcontext()

    model = nn.Linear(2, 2)
    made = wrapper(model)
    monkeypatch.setattr('torch.autocast', autocast)
    parameter = SimpleNamespace(device=torch.device(device))
    monkeypatch.setattr(model, 'parameters', lambda: iter([parameter]))
    with made.optim_context(model):
        pass
    assert asked == [(device, torch.bfloat16)]
