"""Multiply-adds against closed forms and against torch's own counter."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from tests.models.common import build
from videomac.analysis import MultiplyAddCounter, multiply_adds
from videomac.models import RandomPatchMasking
from videomac.sparse import MaskedTensor, PatchGrid, PatchTensor


class SqueezeExcite(nn.Module):
    """A stem, a gate from the mean over space, a depthwise layer and a linear one."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, stride=4)
        self.gate = nn.Linear(8, 8)
        self.depthwise = nn.Conv2d(8, 8, 5, padding=2, groups=8)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 6, bias=False)

    def forward(self, x: Any) -> Any:
        x = self.norm(self.stem(x))
        gate = torch.sigmoid(self.gate(x.mean((2, 3))))
        x = self.depthwise(x * gate[:, :, None, None])
        return self.head(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def closed_form(cells: int) -> int:
    """Multiply-adds of the network above on so many cells of the stem's output."""
    stem, depthwise, head = 3 * 4 * 4 * 8, 5 * 5 * 8, 8 * 6
    return cells * (stem + depthwise + head) + 8 * 8  # the gate: once an image


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    rows=st.integers(1, 5),
    cols=st.integers(2, 5),
    cells=st.integers(1, 4),
    ratio=st.floats(0.05, 0.95),
)
def test_closed_form(rows: int, cols: int, cells: int, ratio: float) -> None:
    visible = int(rows * cols * (1 - ratio))
    size, patch = (rows * cells * 4, cols * cells * 4), cells * 4
    network = SqueezeExcite()
    if visible == 0:
        with pytest.raises(ValueError, match='leaves 0 of'):
            multiply_adds(network, size, patch, ratio)
        return
    counted = multiply_adds(network, size, patch, ratio)
    assert counted.dense == closed_form(rows * cols * cells**2)
    assert counted.visible == closed_form(visible * cells**2)


def test_the_network_stays_as_it_was() -> None:
    network = SqueezeExcite().train()
    network.norm.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    multiply_adds(network, (32, 64), 16, 0.5)
    assert torch.equal(torch.get_rng_state(), state)
    assert (network.training, network.norm.training) == (True, False)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_patches_count_alike_in_every_backend() -> None:
    """What a backend computes at masked cells and throws away is not counted."""
    visible = torch.tensor(
        [[[True, False], [False, True]], [[True, True], [True, False]]]
    )
    grid = PatchGrid.from_mask(visible, 16)
    for kind in (PatchTensor, MaskedTensor):
        with MultiplyAddCounter() as counter, torch.no_grad():
            SqueezeExcite()(kind.from_dense(torch.zeros(2, 3, 32, 32), grid))
        assert counter.forward == closed_form(5 * 4**2) + 8 * 8
        assert counter.backward == 0
        assert counter.by_module['SqueezeExcite.gate'] == 2 * 8 * 8
        assert counter.by_module['Global'] == counter.forward


@pytest.mark.parametrize('frozen', [False, True])
def test_training_pass_against_torch(frozen: bool) -> None:
    """On whole images torch's counter of executed operations is the reference."""
    network = SqueezeExcite()
    # torch counts the gradient of a depthwise kernel as if the channels were mixed.
    network.depthwise = nn.Conv2d(8, 8, 5, padding=2)
    network.stem.requires_grad_(not frozen)
    images = torch.zeros(2, 3, 32, 32)
    with FlopCounterMode(display=False) as reference:
        network(images).sum().backward()
    with MultiplyAddCounter() as counter:
        network(images)
    assert 2 * (counter.forward + counter.backward) == reference.get_total_flops()


def test_step_of_videomac_against_torch() -> None:
    """Dense encoders and decoders of two networks, one of them trained."""
    model = build(sparse=dict(type='MaskedDense')).train()
    frames = torch.zeros(1, 2, 3, 64, 64)
    with MultiplyAddCounter() as counter:
        sum(model(frames, mode='loss').values()).backward()
    encoder = multiply_adds(model.encoder, (64, 64), 32, 0.5).visible
    layers = [
        m for m in model.decoder.modules() if hasattr(m, 'weight') and m.weight.dim() > 1
    ]
    decoder = 2 * 2 * sum(layer.weight.numel() for layer in layers)  # 2x2 latent cells
    assert counter.by_module['VideoMAC.encoder'] == encoder
    assert counter.forward == 2 * (encoder + decoder)
    stem = model.encoder.downsample_layers[0][0].weight.numel() * 2 * 8**2
    assert counter.backward == 2 * (encoder + decoder) - stem  # images need no gradient


def test_masked_share_of_every_layer() -> None:
    """Without global pooling, what is visible costs its share, layer by layer."""
    model = build()
    counted = multiply_adds(model.encoder, (96, 64), 32, 0.5)
    assert counted.visible * 2 == counted.dense
    assert RandomPatchMasking(32, 0.5).num_visible(6) == 3


@pytest.mark.parametrize(
    ('size', 'patch', 'ratio', 'message'),
    [
        ((64, 60), 32, 0.5, 'width 60 is not a multiple of 32'),
        ((64, 64), 32, 1.5, 'ratio must be between 0 and 1'),
        ((64, 64), 2, 0.5, 'Use a patch_size of at least 4'),
    ],
)
def test_bad_input(size: tuple[int, int], patch: int, ratio: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        multiply_adds(SqueezeExcite(), size, patch, ratio)
