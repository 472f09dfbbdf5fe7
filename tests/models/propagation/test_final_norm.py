"""The norm after the last stage, wherever a network keeps it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.datasets.conftest import messages
from videomac.models.propagation import FeatureExtractor

__all__ = ['messages']

IMAGES = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))


def timm_network(name: str) -> dict[str, Any]:
    return dict(type='mmpretrain.TIMMBackbone', model_name=name)


@pytest.mark.parametrize('name', ['convnext_atto', 'convnextv2_atto'])
def test_a_norm_in_timms_head_is_applied_to_each_cell(name: str) -> None:
    """As mmpretrain applies its norm of the last stage, over the channels of a cell."""
    normed = FeatureExtractor(timm_network(name), l2=False)
    model: Any = normed.network.timm_model
    norm: Any = model.head.norm
    with torch.no_grad():
        norm.weight.copy_(torch.linspace(0.2, 3, norm.weight.numel()))
        norm.bias.copy_(torch.linspace(-1, 1, norm.bias.numel()))
        raw = model.stages(model.stem(IMAGES)).movedim(1, -1)
    shape, weights = raw.shape[-1:], (norm.weight, norm.bias)
    wanted = F.layer_norm(raw, shape, *weights, eps=1e-6).movedim(-1, 1)
    torch.testing.assert_close(normed(IMAGES), wanted)
    earlier = FeatureExtractor(normed.network, l2=False, out_stage=2)
    assert torch.equal(earlier(IMAGES), model.stages[:3](model.stem(IMAGES)))


def test_without_the_norm_in_timms_head() -> None:
    bare = FeatureExtractor(timm_network('convnext_atto'), l2=False, final_norm=False)
    model: Any = bare.network.timm_model
    assert torch.equal(bare(IMAGES), model.stages(model.stem(IMAGES)))


def test_networks_whose_norm_cannot_be_left_out(messages: list[str]) -> None:
    swin = dict(type='mmpretrain.SwinTransformer', arch='tiny')
    for network in (nn.Conv2d(3, 4, 8, 8), dict(type='mmpretrain.ResNet', depth=18)):
        FeatureExtractor(network)
    FeatureExtractor(dict(type='mmpretrain.ResNet', depth=18), final_norm=False)
    assert not [text for text in messages if 'final_norm' in text]
    FeatureExtractor(nn.Conv2d(3, 4, 8, 8), final_norm=False)
    FeatureExtractor(swin, final_norm=False)
    warned = [text for text in messages if 'final_norm=False does nothing to' in text]
    assert [text.split(':')[0].split()[-1] for text in warned] == [
        'Conv2d',
        'SwinTransformer',
    ]


@pytest.mark.parametrize('name', ['dilate', 'final_norm', 'l2'])
def test_switches_are_truth_values(name: str) -> None:
    wrong: dict[str, Any] = {name: 'no'}
    with pytest.raises(ValueError, match=f"{name} must be True or False, got 'no'"):
        FeatureExtractor(nn.Conv2d(3, 4, 8, 8), **wrong)
