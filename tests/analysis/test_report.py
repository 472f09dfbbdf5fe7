"""The parts of a model, against their layers."""

from __future__ import annotations

import pytest
import torch
from mmpretrain.models import ResNet
from torch import nn

from tests.models.common import build
from videomac.analysis import Cost, costs, costs_by_module
from videomac.analysis.report import count_parameters

SIZE = (64, 96)  # 2x3 patches of 32 pixels, 3 of them visible


def matrix_sizes(network: nn.Module) -> int:
    """Weights of all convolutions and linear layers."""
    kinds = (nn.Conv2d, nn.Linear)
    return sum(m.weight.numel() for m in network.modules() if isinstance(m, kinds))


def test_parts_of_videomac() -> None:
    model = build()
    encoder, decoder, step = costs(model, SIZE)
    assert [part.name for part in (encoder, decoder, step)] == [
        'encoder',
        'decoder',
        'training step',
    ]
    assert encoder.visible == encoder.dense // 2
    # The decoder runs on all cells of the 2x3 latent map.
    assert decoder.dense == decoder.visible == 6 * matrix_sizes(model.decoder)
    stem = 3 * 4 * 4 * 8 * 16 * 24  # whose input needs no gradient
    assert step.dense == 4 * (encoder.dense + decoder.dense) - stem
    assert step.visible is not None
    assert step.visible == 4 * (encoder.dense // 2 + decoder.dense) - stem // 2
    assert step.parameters == encoder.parameters + decoder.parameters
    assert model.training


def test_single_frames() -> None:
    model = build(target=None, consistency_loss=None)
    encoder, decoder, step = costs(model, SIZE)
    stem = 3 * 4 * 4 * 8 * 16 * 24
    assert step.dense == 3 * (encoder.dense + decoder.dense) - stem


def test_another_model() -> None:
    network = ResNet(18, base_channels=8, stem_channels=8)
    (cost,) = costs(network, SIZE)
    assert (cost.name, cost.visible) == ('ResNet', None)
    assert cost.parameters == sum(p.numel() for p in network.parameters())
    stem = 3 * 7 * 7 * 8 * 32 * 48
    rows = {row.name: row for row in costs_by_module(network, SIZE, depth=1)}
    assert rows['conv1'] == Cost('conv1', 3 * 7 * 7 * 8, stem, None)
    assert sum(row.dense for row in rows.values()) == cost.dense


def test_modules_of_videomac() -> None:
    model = build()
    rows = costs_by_module(model, SIZE, depth=2)
    names = [row.name for row in rows]
    assert names[0] == 'encoder'
    assert 'encoder.stages.2' in names  # the list between them is no level
    assert 'encoder.stages.2.0' not in names
    assert not any(name.startswith('target') for name in names)
    parts = [row for row in rows if row.name.startswith('encoder.')]
    assert sum(row.dense for row in parts) == rows[0].dense
    assert sum(row.visible or 0 for row in parts) == rows[0].visible
    assert sum(row.parameters for row in parts) < rows[0].parameters  # norms cost nothing


def test_frozen_parameters_do_not_count() -> None:
    layer = nn.Linear(3, 4)
    layer.bias.requires_grad_(False)
    assert count_parameters(layer) == 12


def test_frames_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match='not a multiple of 32'):
        costs(build(), (60, 64))


def test_statistics_stay() -> None:
    model = build(encoder=dict(type='mmpretrain.ResNet', depth=18)).train()
    before = [value.clone() for value in model.buffers()]
    costs(model, (64, 64))
    assert all(torch.equal(a, b) for a, b in zip(before, model.buffers(), strict=True))
