"""Channel and spatial attention of timm: a layer for each that ConvNets use."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.sparse.common import EMPTY_SAMPLE, RAGGED, TOLERANCE, make_case
from videomac.sparse import (
    MaskedTensor,
    PatchGrid,
    PatchTensor,
    UnsupportedOperationError,
)

timm_layers = pytest.importorskip('timm.layers')
EXACT = ('se', 'ese', 'eca', 'ecam', 'ceca', 'cbam', 'lcbam', 'gc', 'gca', 'sk', 'splat')


def make_layer(name: str) -> Any:
    """Make the layer with parameters that matter."""
    torch.manual_seed(0)
    layer = timm_layers.create_attn(name, 16).double()
    for parameter in layer.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return layer


@pytest.mark.parametrize('name', EXACT)
def test_all_visible_is_the_dense_layer(name: str) -> None:
    case = make_case([[[1, 1]], [[1, 1]]], (2, 3), channels=16)
    layer = make_layer(name)
    out = layer(PatchTensor.from_dense(case.images, case.grid)).dense()
    torch.testing.assert_close(out, layer(case.images), rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize('visible', [RAGGED, EMPTY_SAMPLE], ids=['ragged', 'empty'])
@pytest.mark.parametrize('name', EXACT)
def test_both_kinds_of_maps_agree_and_nothing_is_spoilt(name: str, visible: Any) -> None:
    case = make_case(visible, (2, 3), channels=16)
    layer = make_layer(name)
    outputs, gradients = [], []
    for kind in (PatchTensor, MaskedTensor):
        layer.zero_grad()
        out = layer(case.make(kind)).dense()
        out.square().sum().backward()
        outputs.append(out)
        gradients.append([p.grad for p in layer.parameters()])
    torch.testing.assert_close(*outputs, rtol=TOLERANCE, atol=TOLERANCE)
    for mine, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-8, atol=1e-8)
        assert mine.isfinite().all()
    assert outputs[0].isfinite().all()


@pytest.mark.parametrize('name', EXACT)
def test_autocast_to_bfloat16(name: str) -> None:
    case = make_case(RAGGED, (2, 3), channels=16)
    layer = make_layer(name).float().eval()
    x = PatchTensor.from_dense(case.images.float(), case.grid)
    expected = layer(x).dense()
    with torch.autocast('cpu', torch.bfloat16):
        out = layer(x).dense().float()
    out.square().sum().backward()
    assert (out - expected).norm() < 0.05 * expected.norm()
    assert all(p.grad.dtype == torch.float32 for p in layer.parameters())


@pytest.mark.parametrize('name', ['coord', 'ela', 'strip', 'nl'])
def test_layers_that_mix_cells(name: str) -> None:
    grid = PatchGrid.full(2, (64, 96), 32)
    x = PatchTensor.from_dense(torch.rand(2, 16, 4, 6).double(), grid)
    with pytest.raises(UnsupportedOperationError):
        make_layer(name)(x)


@pytest.mark.parametrize('name', EXACT)
def test_a_map_of_one_cell(name: str) -> None:
    # VideoMAC tries its encoder on a single patch, which may end as a single cell.
    images = torch.rand(1, 16, 1, 1).double()
    layer = make_layer(name).eval()
    out = layer(PatchTensor.from_dense(images, PatchGrid.full(1, (32, 32), 32)))
    torch.testing.assert_close(out.dense(), layer(images))
