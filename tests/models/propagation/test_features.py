"""Features and weights of networks of every origin."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn
from torchvision.models import VisionTransformer

from tests.models.common import SMALL_ARCH, build, config, randomise
from videomac.models.propagation import FeatureExtractor
from videomac.registry import MODELS

pytestmark = pytest.mark.usefixtures('quiet_scope')
CONVNEXT = config()['encoder']
RESNET = dict(type='mmpretrain.ResNet', depth=18)
IMAGES = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))


def extractor(network: dict[str, Any], **options: Any) -> FeatureExtractor:
    made: FeatureExtractor = MODELS.build(
        dict(type='FeatureExtractor', network=network, **options)
    )
    return made


def saved(network: nn.Module, path: Path, prefix: str = '', **more: Any) -> str:
    """A checkpoint of a network with generic weights."""
    state = {prefix + name: value for name, value in network.state_dict().items()}
    torch.save(dict(state_dict=state, **more), path)
    return str(path)


def built(network: dict[str, Any]) -> nn.Module:
    """A network with generic weights in eval mode."""
    made: nn.Module = MODELS.build(network)
    randomise(made)
    made.eval()
    return made


@torch.no_grad()
def test_last_stage_at_unit_length(tmp_path: Path) -> None:
    network = built(CONVNEXT)
    features = extractor(CONVNEXT, checkpoint=saved(network, tmp_path / 'a.pth'))
    want = network(IMAGES)[-1]
    got = features(IMAGES)
    assert got.shape == (1, 32, 2, 3)
    torch.testing.assert_close(got, want / want.norm(dim=1, keepdim=True))
    raw = extractor(CONVNEXT, checkpoint=str(tmp_path / 'a.pth'), l2=False)
    torch.testing.assert_close(raw(IMAGES), want)


@torch.no_grad()
def test_an_earlier_stage_of_a_convnext(tmp_path: Path) -> None:
    network: Any = built(CONVNEXT)
    path = saved(network, tmp_path / 'a.pth')
    x = IMAGES
    for down, stage in list(zip(network.downsample_layers, network.stages, strict=True))[
        :3
    ]:
        x = stage(down(x))
    got = extractor(CONVNEXT, checkpoint=path, out_stage=2)(IMAGES)
    torch.testing.assert_close(got, F.normalize(x))
    x = network.stages[3](network.downsample_layers[3](x))
    got = extractor(CONVNEXT, checkpoint=path, final_norm=False)(IMAGES)
    torch.testing.assert_close(got, F.normalize(x))


@torch.no_grad()
def test_stages_of_the_released_networks(tmp_path: Path) -> None:
    cfg = dict(type='ReleasedConvNeXt', arch=SMALL_ARCH)
    network: Any = built(cfg)
    path = saved(network, tmp_path / 'a.pth')
    x = IMAGES
    for stage in range(3):
        before = network.stages[stage](network.downsample_layers[stage](x))
        x = getattr(network, f'norm{stage}')(before)
    got = extractor(cfg, checkpoint=path, out_stage=-2)(IMAGES)
    torch.testing.assert_close(got, F.normalize(x))
    got = extractor(cfg, checkpoint=path, out_stage=2, final_norm=False)(IMAGES)
    torch.testing.assert_close(got, F.normalize(before))
    with pytest.raises(ValueError, match='feeds the normed maps forward'):
        extractor(cfg, checkpoint=path, out_stage=[1, 2], final_norm=False)


@torch.no_grad()
def test_several_stages_are_put_together_at_the_finest_size(tmp_path: Path) -> None:
    network: Any = built(RESNET | dict(out_indices=(1, 3)))
    path = saved(network, tmp_path / 'a.pth')
    fine, coarse = (F.normalize(each) for each in network(IMAGES))
    large = F.interpolate(coarse, fine.shape[-2:], mode='bilinear', align_corners=False)
    want = F.normalize(torch.cat([fine, large], 1))
    got = extractor(RESNET, checkpoint=path, out_stage=[3, 1])(IMAGES)
    torch.testing.assert_close(got, want)


@pytest.mark.parametrize('network', [CONVNEXT, RESNET])
@pytest.mark.parametrize('stride', [4, 8, 16, 32])
def test_dilated_features_hold_the_native_ones(network: Any, stride: int) -> None:
    # GRN looks at the whole map, which holds more cells then.
    cfg = network | (dict(use_grn=False) if network is CONVNEXT else {})
    torch.manual_seed(0)
    native = extractor(cfg)
    dilated = extractor(cfg, output_stride=stride)
    dilated.load_state_dict(native.state_dict())
    got, step = dilated(IMAGES), 32 // stride
    assert got.shape[-2:] == (64 // stride, 96 // stride)
    torch.testing.assert_close(
        got[..., ::step, ::step], native(IMAGES), atol=1e-4, rtol=0
    )


def test_strides_may_go_without_dilation() -> None:
    features = extractor(RESNET, out_stage=2, output_stride=8, dilate=False)
    convolutions = [m for m in features.modules() if isinstance(m, nn.Conv2d)]
    assert {each.dilation for each in convolutions} == {(1, 1)}
    assert features(IMAGES).shape == (1, 256, 8, 12)


@torch.no_grad()
def test_patch_tokens_of_a_vit_of_mmpretrain(tmp_path: Path) -> None:
    arch = dict(embed_dims=12, num_layers=2, num_heads=2, feedforward_channels=24)
    cfg = dict(
        type='mmpretrain.VisionTransformer',
        arch=arch,
        img_size=64,
        patch_size=16,
        out_type='featmap',
    )
    network: Any = built(cfg)
    path = saved(network, tmp_path / 'a.pth')
    torch.testing.assert_close(
        extractor(cfg, checkpoint=path)(IMAGES), F.normalize(network(IMAGES)[-1])
    )
    first = extractor(cfg, checkpoint=path, out_stage=0)(IMAGES)
    bare = extractor(cfg, checkpoint=path, final_norm=False)(IMAGES)
    assert first.shape == bare.shape == (1, 12, 4, 6)
    network.final_norm = False
    torch.testing.assert_close(bare, F.normalize(network(IMAGES)[-1]))


@torch.no_grad()
def test_patch_tokens_of_a_vit_of_timm(tmp_path: Path) -> None:
    sizes: dict[str, Any] = dict(embed_dim=12, depth=2, num_heads=2, img_size=64)
    name = 'vit_tiny_patch16_224'
    network: Any = timm.create_model(
        name, dynamic_img_size=True, num_classes=5, **sizes
    ).eval()
    path = tmp_path / 'timm.pth'
    torch.save(network.state_dict(), path)  # with its classifier
    cfg = dict(type='TIMMBackbone', model_name=name, dynamic_img_size=True, **sizes)
    tokens = network.forward_features(IMAGES)[:, 1:]
    want = F.normalize(tokens.transpose(1, 2).reshape(1, 12, 4, 6))
    got = extractor(cfg, checkpoint=str(path))(IMAGES)
    torch.testing.assert_close(got, want)


@torch.no_grad()
def test_networks_of_torchvision(tmp_path: Path) -> None:
    network = torchvision.models.resnet18(num_classes=3)
    randomise(network)
    network.eval()
    torch.save(network.state_dict(), tmp_path / 'a.pth')
    cfg = dict(type='TorchvisionBackbone', name='resnet18', num_classes=3)
    x = network.maxpool(network.relu(network.bn1(network.conv1(IMAGES))))
    x = network.layer3(network.layer2(network.layer1(x)))
    got = extractor(cfg, checkpoint=str(tmp_path / 'a.pth'), out_stage=2)(IMAGES)
    torch.testing.assert_close(got, F.normalize(x))
    # mmpretrain's names of a ResNet are torchvision's; the classifier is left out.
    same = extractor(RESNET, checkpoint=str(tmp_path / 'a.pth'), out_stage=2)(IMAGES)
    torch.testing.assert_close(same, got)
    with pytest.raises(ValueError, match=r"no modules \['layer9'\]"):
        extractor(cfg | dict(nodes=['layer9']))


@torch.no_grad()
def test_patch_tokens_of_a_vit_of_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = VisionTransformer(32, 8, 2, 2, hidden_dim=16, mlp_dim=32)
    monkeypatch.setattr(torchvision.models, 'get_model', lambda name: tiny)
    features = extractor(dict(type='TorchvisionBackbone', name='vit_tiny'))
    model: Any = tiny
    nn.init.normal_(model.encoder.pos_embedding)
    images = IMAGES[..., :32, :32]
    tokens = model._process_input(images)
    first = model.class_token.expand(len(images), -1, -1)
    tokens = model.encoder(torch.cat([first, tokens], 1))[:, 1:]
    want = F.normalize(tokens.reshape(-1, 4, 4, 16).permute(0, 3, 1, 2))
    torch.testing.assert_close(features(images), want)
    # At other sizes a ramp of places remains one, up to what the kernel bends.
    model.encoder.pos_embedding[0, 1:] = torch.arange(16.0)[:, None].expand(16, 16)
    seen: list[Tensor] = []
    model.encoder.dropout.register_forward_hook(lambda m, args, out: seen.append(out))
    assert features(torch.zeros(1, 3, 64, 128)).shape == (1, 16, 8, 16)
    places = (seen[0][0, 1:] - model.conv_proj.bias).view(8, 16, 16)
    row, col = torch.arange(8.0)[:, None] / 2 - 0.25, torch.arange(16.0) / 4 - 0.375
    want = (4 * row + col)[..., None].expand(8, 16, 16)
    inner = (slice(2, 6), slice(4, 12))
    torch.testing.assert_close(places[inner], want[inner], atol=0.5, rtol=0)


@torch.no_grad()
def test_maps_of_swin_transformers_have_channels_first() -> None:
    features = extractor(dict(type='TorchvisionBackbone', name='swin_t'), out_stage=1)
    model: Any = features.network.model
    want = model.features[:4](IMAGES)  # [B, h, w, C]
    assert want.shape[-1] == 192
    got = features(IMAGES)
    torch.testing.assert_close(got, F.normalize(want, dim=-1).permute(0, 3, 1, 2))


@torch.no_grad()
def test_checkpoints_of_pre_training(tmp_path: Path) -> None:
    model = build()
    assert model.target is not None
    randomise(model.target)
    for parameter in model.target.parameters():
        parameter.mul_(0.5)
    path = saved(model.eval(), tmp_path / 'epoch_1.pth', meta=dict(epoch=1))
    online = extractor(CONVNEXT, checkpoint=path)
    target = extractor(CONVNEXT, checkpoint=path, prefix='target.encoder.')
    want = F.normalize(model.encoder(IMAGES)[-1])
    torch.testing.assert_close(online(IMAGES), want)
    want = F.normalize(model.target.encoder(IMAGES)[-1])
    torch.testing.assert_close(target(IMAGES), want)
    assert not torch.allclose(online(IMAGES), target(IMAGES), atol=1e-3)


def test_checkpoints_that_do_not_fit_are_errors(tmp_path: Path) -> None:
    network = MODELS.build(CONVNEXT)
    state = network.state_dict()
    state['extra.weight'] = state.pop('norm3.weight')
    state['norm3.bias'] = torch.zeros(7)
    torch.save(dict(state_dict=state), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='does not fit ConvNeXt') as caught:
        extractor(CONVNEXT, checkpoint=str(tmp_path / 'a.pth'))
    assert '1 missing: norm3.weight' in str(caught.value)
    assert '1 unexpected: extra.weight' in str(caught.value)
    assert '1 of another shape: norm3.bias (7,), not (32,)' in str(caught.value)
    path = saved(network, tmp_path / 'b.pth', prefix='encoder.')
    with pytest.raises(ValueError, match=r"keys begin with \['encoder.'\]"):
        extractor(RESNET, checkpoint=path, prefix='target.encoder.')


class Harmful:
    """Stands for any object whose loading could run code."""


def test_checkpoints_with_code_are_refused(tmp_path: Path) -> None:
    torch.save(dict(state_dict={}, hook=Harmful()), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='could run code of its author'):
        extractor(CONVNEXT, checkpoint=str(tmp_path / 'a.pth'))
    torch.save(dict(epoch=3), tmp_path / 'b.pth')
    with pytest.raises(
        ValueError, match=re.escape("holds no weights; its keys: ['epoch']")
    ):
        extractor(CONVNEXT, checkpoint=str(tmp_path / 'b.pth'))


def test_network_is_frozen_and_stays_in_eval_mode() -> None:
    features = extractor(RESNET)
    features.train()
    assert not any(module.training for module in features.modules())
    assert not any(parameter.requires_grad for parameter in features.parameters())


def test_autocast_is_for_the_network_alone() -> None:
    torch.manual_seed(0)
    full = extractor(RESNET)
    half = extractor(RESNET, autocast='bfloat16')
    half.load_state_dict(full.state_dict())
    a, b = full(IMAGES), half(IMAGES)
    assert b.dtype == torch.float32
    assert 0 < (a - b).abs().max() < 0.05
    torch.testing.assert_close(b.norm(dim=1), torch.ones(b[:, 0].shape))


def test_copies_do_not_share_their_network() -> None:
    features = extractor(RESNET)
    want = features(IMAGES)
    twin = copy.deepcopy(features)
    for parameter in features.parameters():
        parameter.zero_()
    torch.testing.assert_close(twin(IMAGES), want)


class Vectors(nn.Module):
    """Returns no maps."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


def test_bad_options_are_named() -> None:
    with pytest.raises(ValueError, match='out_stage 4: ResNet has 4 stages, 0 to 3'):
        extractor(RESNET, out_stage=4)
    with pytest.raises(ValueError, match='out_stage is empty'):
        extractor(RESNET, out_stage=[])
    with pytest.raises(ValueError, match=r"autocast must be one of .*'int8'"):
        extractor(RESNET, autocast='int8')
    MODELS.register_module('VectorsForTest', force=True, module=Vectors)
    with pytest.raises(ValueError, match=r'Vectors returns \(1, 3\) and not maps'):
        extractor(dict(type='VectorsForTest'))(IMAGES)
