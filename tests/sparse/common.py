"""Random maps with masks for the tests of the sparse operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.sparse import oracle
from tests.sparse.oracle import Array, Pair, Seen
from videomac.sparse import MaskedTensor, PatchGrid, PatchTensor, SparseMap

TOLERANCE = 1e-9
KINDS = (PatchTensor, MaskedTensor)
Kind = type[PatchTensor] | type[MaskedTensor]

both = pytest.mark.parametrize('kind', KINDS, ids=lambda k: k.__name__)


def quick(examples: int = 30) -> Any:
    """Settings of hypothesis: the same few examples every time."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


def strided(values: Tensor) -> Tensor:
    """Give the same values in a layout that is not contiguous."""
    return torch.stack([values, values], -1)[..., 0]


@dataclass
class Case:
    """A dense map, NaN where it is masked, and the grid of its visible patches."""

    images: Tensor
    grid: PatchGrid
    seen: Seen
    contiguous: bool

    @property
    def array(self) -> Array:
        """Values for the oracle."""
        return self.images.numpy()

    def make(self, kind: Kind) -> SparseMap:
        """Make the sparse map."""
        x: SparseMap = kind.from_dense(self.images, self.grid)
        return x if self.contiguous else x.like(strided(x.data))

    def last(self, kind: Kind) -> Any:
        """Make the sparse map with the channels last."""
        x: Any = self.make(kind)
        return x.permute(0, 2, 3, 1)


def random(seed: int, *shape: int) -> Tensor:
    """Draw normal float64 values."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def make_case(
    visible: Any, cells: Pair = (2, 2), channels: int = 4, seed: int = 0
) -> Case:
    """Make a case with given visible patches [B, rows, cols]."""
    mask = torch.as_tensor(visible, dtype=torch.bool)
    grid = PatchGrid.from_mask(mask, patch_size=32)
    seen = oracle.visible_cells(mask.numpy(), cells)
    images = random(seed, seen.shape[0], channels, *seen.shape[1:])
    images = images.masked_fill(~torch.from_numpy(seen)[:, None], float('nan'))
    return Case(images, grid, seen, contiguous=True)


#: Two samples of 2x3 patches with a different number of visible ones.
RAGGED = (((1, 0, 1), (0, 1, 0)), ((0, 0, 1), (1, 1, 1)))
#: As before, but all of the second sample is masked.
EMPTY_SAMPLE = (((1, 0, 1), (0, 1, 0)), ((0, 0, 0), (0, 0, 0)))


@st.composite
def cases(
    draw: Callable[..., Any],
    multiple: Pair = (1, 1),
    channels: int | None = None,
    empty_samples: bool = True,
) -> Case:
    """Draw a map whose patches have a multiple of some cells in each direction."""
    batch, rows, cols = (draw(st.integers(1, 3)) for _ in range(3))
    cells = tuple(m * draw(st.integers(1, 4 if m == 1 else 2)) for m in multiple)
    bits = draw(st.lists(st.booleans(), min_size=27, max_size=27))
    visible = np.array(bits[: batch * rows * cols]).reshape(batch, rows, cols)
    for b in range(1 if empty_samples else batch):
        visible[b, 0, 0] |= not visible[b].any()
    made = make_case(
        visible,
        (cells[0], cells[1]),
        channels or draw(st.integers(1, 5)),
        draw(st.integers(0, 999)),
    )
    made.contiguous = draw(st.booleans())
    return made


def check(x: Any, expected: Array, tolerance: float = TOLERANCE) -> None:
    """Compare a map or a tensor with the oracle, including zeros at masked cells."""
    if isinstance(x, SparseMap):
        assert not x.channels_last
        assert tuple(x.shape) == expected.shape
        x = x.dense()
    assert x.dtype == torch.float64
    torch.testing.assert_close(
        x, torch.as_tensor(expected), rtol=tolerance, atol=tolerance, equal_nan=True
    )


def gradients(
    function: Callable[..., Any], case: Case, kind: Kind, *parameters: Tensor
) -> None:
    """Check the gradients of a function of a map and of parameters numerically."""

    def dense(images: Tensor, *values: Tensor) -> Tensor:
        out = function(kind.from_dense(images, case.grid), *values)
        return out.dense() if isinstance(out, SparseMap) else out

    inputs = (case.images.nan_to_num(1.0), *parameters)
    leaves = tuple(v.clone().requires_grad_() for v in inputs)
    assert torch.autograd.gradcheck(dense, leaves)


def masked_values(case: Case) -> Array:
    """Values of the whole map, zero where masked."""
    return np.where(case.seen[:, None], case.array, 0.0)


def channels_first(x: Any) -> Any:
    """Show a map channels first."""
    return x.permute(0, 3, 1, 2) if x.channels_last else x
