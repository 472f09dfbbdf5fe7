"""What is put off belongs to the autograd mode in which it was asked for."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.models.common import build
from tests.sparse.common import RAGGED, Case, cases, make_case, quick, random
from tests.sparse.test_affine import STEPS
from videomac.sparse import MaskedDense, PatchGrid, PatchSparse, PatchTensor

STEP = st.tuples(
    st.sampled_from(sorted(STEPS)),
    st.booleans(),  # whether it is taken with autograd
    st.sampled_from(['', 'values', 'flag', 'inference']),  # who reads it then
)


def taken(name: str, x: Any, t: Tensor, with_graph: bool) -> Any:
    """Take a step; one without autograd is an addition to what came before."""
    if with_graph:
        return STEPS[name](x, t)
    with torch.no_grad():
        more = STEPS[name](x, t)
    return x + more


def read(x: Any, how: str) -> None:
    """Look at values where autograd is off."""
    off = torch.inference_mode() if how == 'inference' else torch.no_grad()
    with off:
        if how == 'flag':
            assert x.requires_grad
        elif how:
            x.mean((2, 3))


@given(case=cases(), steps=st.lists(STEP, min_size=1, max_size=5), seed=st.integers(0, 9))
@quick(60)
def test_gradients_equal_those_of_dense_maps(
    case: Case, steps: list[tuple[str, bool, str]], seed: int
) -> None:
    channels = case.images.shape[1]
    images = case.images.nan_to_num().requires_grad_()
    factors = [random(seed + i, channels, 1, 1) for i in range(len(steps))]
    for factor in factors:
        factor.requires_grad_()
    maps: list[Any] = [PatchTensor.from_dense(images, case.grid), images]
    for number, x in enumerate(maps):
        for (name, with_graph, how), factor in zip(steps, factors, strict=True):
            x = taken(name, x, factor, with_graph)
            read(x, how)
        dense = x.dense() if number == 0 else x * torch.from_numpy(case.seen)[:, None]
        loss = dense.square().sum()
        maps[number] = torch.autograd.grad(loss, [images, *factors], allow_unused=True)
    for ours, wanted in zip(*maps, strict=True):
        assert (ours is None) == (wanted is None)
        if wanted is not None:
            torch.testing.assert_close(ours, wanted, rtol=1e-9, atol=1e-9)


def test_without_autograd_there_is_none_later() -> None:
    x: Any = make_case(RAGGED).make(PatchTensor)
    factor = random(1, 4, 1, 1).requires_grad_()
    with torch.no_grad():
        y = x * factor
    assert not y.requires_grad
    assert (x * factor).requires_grad
    with torch.inference_mode():
        y = x * factor
    torch.testing.assert_close(y.dense(), (x * factor).dense().detach())


@pytest.mark.parametrize('off', [torch.no_grad, torch.inference_mode])
def test_a_hook_that_measures_takes_no_gradient(off: Any) -> None:
    """As the masked-dense backend has it, on a stock ConvNeXt V2."""
    encoder = build().encoder
    images = torch.randn(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    grid = PatchGrid.from_mask(torch.eye(4).bool().expand(2, 4, 4), 32)
    seen = []

    def measure(module: nn.Module, inputs: Any, output: Any) -> None:
        mode: AbstractContextManager[Any] = off()
        with mode:
            seen.append(float(output.mean()))

    for module in encoder.modules():
        if type(module).__name__ == 'GRN':
            module.register_forward_hook(measure)
    found = []
    for backend in (PatchSparse(), MaskedDense()):
        loss = backend.encode(encoder, images, grid).square().sum()
        found.append(torch.autograd.grad(loss, list(encoder.parameters())))
    assert len(seen) >= 8
    for ours, wanted in zip(*found, strict=True):
        torch.testing.assert_close(ours, wanted, rtol=1e-3, atol=1e-5)
