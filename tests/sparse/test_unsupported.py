"""Operations without a meaning on maps with masked cells say so by name."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from tests.sparse.common import RAGGED, Kind, both, make_case, random
from videomac.sparse import PatchTensor, UnsupportedOperationError


@both
@pytest.mark.parametrize(
    ('name', 'call'),
    [
        ('flatten', lambda x: x.flatten(1)),
        ('flatten', lambda x: torch.flatten(x, 1)),
        ('reshape', lambda x: x.reshape(2, -1)),
        ('view', lambda x: x.view(2, -1)),
        ('interpolate', lambda x: F.interpolate(x, scale_factor=2, mode='bilinear')),
        ('interpolate', lambda x: F.interpolate(x, scale_factor=1.5)),
        ('softmax', lambda x: F.softmax(x, 2)),
        ('split', lambda x: x.chunk(2, 2)),
        ('split', lambda x: torch.split(x, 2, 0)),
        ('getitem', lambda x: x[0]),
        ('getitem', lambda x: x[:, :, 1:]),
        ('getitem', lambda x: x[..., None]),
        ('setitem', lambda x: x.__setitem__((slice(None), 0), 1.0)),
        ('matmul', lambda x: x @ x),
        ('conv_transpose2d', lambda x: F.conv_transpose2d(x, random(0, 4, 4, 2, 2))),
        ('sub', lambda x: F.pad(x, (1, 1)) - 1),
        ('relu', lambda x: F.relu(F.pad(x, (1, 1)))),
        ('pad', lambda x: F.pad(x, (0, 0, 0, 0, 0, 0, 0, 1))),
        ('roll', lambda x: torch.roll(x, 1, 2)),
        ('transpose', lambda x: x.transpose(2, 3)),
        ('matmul', lambda x: torch.matmul(x, random(0, 6, 6))),
        ('stack', lambda x: torch.stack([x, x])),
        ('fill_', lambda x: x.fill_(1.0)),
        ('add', lambda x: torch.add(x, 1, out=x)),
        ('mul', lambda x: torch.mul(x, 2, out=torch.empty(2, 4, 4, 6))),
        ('exp', lambda x: torch.exp(x.flatten(2), out=x)),
    ],
)
def test_unsupported_operations(kind: Kind, name: str, call: Any) -> None:
    x: Any = make_case(RAGGED).make(kind)
    with pytest.raises(UnsupportedOperationError) as error:
        call(x)
    assert isinstance(error.value, NotImplementedError)
    assert f"'{name}'" in str(error.value)
    assert kind.__name__ in str(error.value)
    assert 'docs/en/sparse_engine.md' in str(error.value)


@both
@pytest.mark.parametrize(
    'call',
    [
        lambda x: list(x),
        lambda x: bool(x > 0),
    ],
    ids=['iter', 'bool'],
)
def test_unsupported_syntax(kind: Kind, call: Any) -> None:
    with pytest.raises(UnsupportedOperationError):
        call(make_case(RAGGED).make(kind))


def test_operations_of_numpy_are_no_arrays() -> None:
    with pytest.raises(UnsupportedOperationError, match='numpy'):
        make_case(RAGGED).make(PatchTensor).numpy()
