"""Devices that are there, and those that are not."""

from __future__ import annotations

import pytest
import torch

from videomac.utils.devices import usable_device


def test_usable_device(monkeypatch: pytest.MonkeyPatch) -> None:
    assert usable_device('cpu') == usable_device(torch.device('cpu'))
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    assert usable_device() == torch.device('cpu')


@pytest.mark.parametrize('kind', [RuntimeError, AssertionError])
def test_a_gpu_that_is_not_there(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, whatever torch raises and however much it says."""

    def fail(*args: object, **kwargs: object) -> None:
        raise kind('Found no NVIDIA driver on your system. Please check\nthat you have')

    monkeypatch.setattr(torch, 'empty', fail)
    with pytest.raises(ValueError, match="'cuda' cannot be used: Found no") as caught:
        usable_device('cuda')
    assert '\n' not in str(caught.value)
    assert 'Please' not in str(caught.value)


def test_no_name_of_a_device() -> None:
    with pytest.raises(ValueError, match="the device 'gpu' cannot be used"):
        usable_device('gpu')
