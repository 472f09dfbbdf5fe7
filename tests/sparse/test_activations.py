"""Activations that see the channels of a cell, against numpy and loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.sparse.common import RAGGED, Kind, both, check, gradients, make_case, random
from tests.sparse.oracle import Array
from tests.sparse.test_elementwise import on_cells, sigmoid


@both
@pytest.mark.parametrize('last', [False, True])
def test_over_the_channels_of_a_cell(kind: Kind, last: bool) -> None:
    case = make_case(RAGGED, (2, 1))
    x: Any = case.last(kind) if last else case.make(kind)
    dim = -1 if last else 1

    def softmax(v: Array) -> Any:
        return np.exp(v) / np.exp(v).sum()

    def halves(v: Array) -> Any:
        return np.concatenate([v[:2] * sigmoid(v[2:])] * 2)

    for out, formula in (
        (x.softmax(dim), softmax),
        (F.softmax(x, dim=dim), softmax),
        (F.log_softmax(x, dim=dim), lambda v: np.log(softmax(v))),
        (F.normalize(x, dim=dim), lambda v: v / np.sqrt((v**2).sum())),
        (torch.cat([F.glu(x, dim)] * 2, dim), halves),  # type: ignore[list-item]
    ):
        expected = on_cells(case, formula)
        check(out.permute(0, 3, 1, 2) if last else out, expected)


@both
@pytest.mark.parametrize('slopes', [1, 4])
def test_prelu(kind: Kind, slopes: int) -> None:
    case = make_case(RAGGED, (2, 1))
    layer = nn.PReLU(slopes).double()
    layer.weight.data = random(1, slopes)
    slope = layer.weight.detach().numpy()
    expected = on_cells(case, lambda v: np.where(v > 0, v, slope * v))
    check(layer(case.make(kind)), expected)
    gradients(F.prelu, make_case([[[1, 0]]], (1, 2), channels=4), kind, random(1, slopes))
