"""The checks of encoders find what is wrong, each in its place."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from videomac.sparse import MaskedTensor, PatchGrid, PatchSparse, PatchTensor
from videomac.sparse.verification import CHECKS, Verdict, ragged_grid, verify_encoder


def make_network() -> nn.Module:
    """Make a small network; its first BatchNorm begins with zeros, as many do."""
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
        nn.Dropout(0.5),
        nn.Conv2d(8, 6, 3, 2, 1, groups=2),
        nn.Sigmoid(),
    )
    nn.init.zeros_(network[1].weight)  # type: ignore[arg-type]
    return network


def verdict(build: Any = make_network) -> Verdict:
    """Check the network on patches of a few cells."""
    return verify_encoder(build, patch_size=16)


def failed(found: Verdict) -> set[str]:
    """Names of the checks that were not passed."""
    assert found.reason or found.green
    return set(CHECKS) - set(found.passed)


def test_sound_network() -> None:
    found = verdict()
    assert found.green
    assert found.passed == tuple(CHECKS)
    assert found.reason == ''


def test_different_numbers_of_visible_patches() -> None:
    grid = ragged_grid(32)
    assert grid.counts.tolist() == [3, 4, 2]
    assert grid.per_sample is None


def break_handler(monkeypatch: pytest.MonkeyPatch, name: str, handler: Any) -> None:
    """Replace what an operation means to the fast kind of map."""
    monkeypatch.setitem(PatchTensor.handlers, name, handler)


def test_missing_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(PatchTensor.handlers, 'batch_norm')
    found = verdict()
    assert failed(found) == set(CHECKS)
    assert "'batch_norm'" in found.reason
    assert found.reason.endswith('in `1 (BatchNorm2d)`')
    assert 'docs/' not in found.reason


def test_wrong_values(monkeypatch: pytest.MonkeyPatch) -> None:
    break_handler(
        monkeypatch, 'sigmoid', lambda f, x: x.map_values(lambda v: f(v) + 1e-7)
    )
    found = verdict()
    assert {'dense', 'masked'} <= failed(found)
    assert 'runs' in found.passed
    assert 'differs by 1e-6' in found.reason


def test_masked_cells_taken_for_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    def pool(func: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        out = F.max_pool2d(x.dense(), 3, 2, 1)
        return x.like(
            x.grid.gather(out.permute(0, 2, 3, 1), x.cells[0] // 2, x.cells[1] // 2)
        )

    class Negative(nn.Module):
        def forward(self, x: Any) -> Any:
            return F.max_pool2d(-x.exp(), 3, 2, 1)

    build = lambda: nn.Sequential(make_network()[:2], Negative())  # type: ignore[index]  # noqa: E731
    assert verdict(build).green
    break_handler(monkeypatch, 'max_pool2d', pool)
    found = verdict(build)
    # Zeros of a border beat negative values as well, but no gradient is wrong there.
    assert 'masked' in failed(found)
    assert 'no leak' in found.passed


def test_wrong_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    def sigmoid(func: Any, x: Any) -> Any:
        return x.map_values(lambda v: func(v) + 0.01 * (v - v.detach()))

    break_handler(monkeypatch, 'sigmoid', sigmoid)
    found = verdict()
    assert failed(found) == {'backward'}
    assert 'a gradient differs' in found.reason


def test_leak_of_masked_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = PatchTensor.from_dense.__func__  # type: ignore[attr-defined]

    def leaky(cls: Any, images: Tensor, grid: PatchGrid) -> Any:
        out = sound(cls, images, grid)
        return out + 0.0 * images.sum() if out.shape == images.shape else out

    monkeypatch.setattr(PatchTensor, 'from_dense', classmethod(leaky))
    found = verdict()
    assert failed(found) == {'no leak'}
    assert 'masked pixels of nan' in found.reason


def test_masked_cells_that_are_not_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (PatchTensor, MaskedTensor):
        sound = kind.dense

        def dirty(self: Any, sound: Any = sound) -> Tensor:
            dense = sound(self)
            seen = self.grid.cell_mask(*self.cells)[:, None]
            return torch.where(seen, dense, torch.ones_like(dense))

        monkeypatch.setattr(kind, 'dense', dirty)
    build = lambda: nn.Conv2d(3, 4, 4, 4)  # noqa: E731
    found = verdict(build)
    assert failed(found) == {'no leak'}
    assert 'not zero' in found.reason


def test_module_of_an_error_in_an_encoder() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, 1, 1), nn.Sequential(nn.LocalResponseNorm(2))
    )
    images = torch.rand(3, 3, 64, 96)
    with pytest.raises(
        NotImplementedError, match=r'in 1\.0 \(LocalResponseNorm\) of the'
    ):
        PatchSparse().encode(network, images, ragged_grid(32))
    small = nn.Sequential(nn.Conv2d(3, 4, 64, 64))
    with pytest.raises(ValueError, match=r'patch_size .*in 0 \(Conv2d\) of the encoder'):
        PatchSparse().encode(small, images, ragged_grid(32))
