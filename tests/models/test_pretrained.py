"""Weights of a checkpoint arrive in the backbone whole, or there is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from mmengine.registry import init_default_scope
from torch import nn

from tests.models.common import build, config, randomise
from tests.tools.test_train_cli import load_tool
from videomac.apis import load_encoder
from videomac.checkpoints import UnusableCheckpointError
from videomac.registry import MODELS
from videomac.utils import tools_root

pytestmark = pytest.mark.usefixtures('quiet_scope')
ENCODER = config()['encoder']
CONVERT = load_tool(tools_root() / 'model_converters' / 'convert.py')


def classifier(backbone: dict[str, Any] = ENCODER, **init: Any) -> Any:
    """A classifier of mmpretrain on an encoder that a checkpoint initialises."""
    model = MODELS.build(
        dict(
            type='mmpretrain.ImageClassifier',
            backbone=backbone | dict(init_cfg=dict(type='Pretrained', **init)),
            init_cfg=dict(type='TruncNormal', layer=['Conv2d', 'Linear'], std=0.02),
        )
    )
    model.init_weights()
    return model


def saved(state: dict[str, Any], path: Path) -> str:
    torch.save(dict(state_dict=state), path)
    return str(path)


@pytest.mark.parametrize('prefix', ['encoder', 'encoder.', 'target.encoder', None])
def test_the_encoder_of_a_pre_training_run(tmp_path: Path, prefix: str | None) -> None:
    model = build()
    path = saved(dict(model.state_dict()), tmp_path / 'epoch_100.pth')
    loaded = classifier(checkpoint=path, prefix=prefix).backbone
    name = 'target.encoder' if prefix == 'target.encoder' else 'encoder'
    want = model.get_submodule(name).state_dict()
    assert type(loaded) is type(model.encoder)
    assert want.keys() == loaded.state_dict().keys()
    for name, value in loaded.state_dict().items():
        torch.testing.assert_close(value, want[name], rtol=0, atol=0, msg=name)


def test_a_resnet_keeps_the_last_norms_of_its_blocks(tmp_path: Path) -> None:
    resnet = dict(type='mmpretrain.ResNet', depth=18)
    network: nn.Module = MODELS.build(resnet)
    randomise(network)
    state = {f'encoder.{name}': value for name, value in network.state_dict().items()}
    loaded = classifier(resnet, checkpoint=saved(state, tmp_path / 'a.pth')).backbone
    want = network.get_parameter('layer4.1.bn2.weight')
    assert want.abs().min() > 0  # a network that starts afresh has zeros here
    torch.testing.assert_close(loaded.layer4[1].bn2.weight, want)


def test_positions_of_images_of_another_size(tmp_path: Path) -> None:
    """A ViT resizes them as it does for torch's own loading."""
    vit = dict(type='mmpretrain.VisionTransformer', arch='deit-tiny', img_size=64)
    source, wanted = MODELS.build(vit), MODELS.build(vit | dict(img_size=96))
    torch.nn.init.normal_(source.pos_embed)
    path = saved(dict(source.state_dict()), tmp_path / 'vit.pth')
    wanted.load_state_dict(source.state_dict())
    loaded = classifier(vit | dict(img_size=96), checkpoint=path).backbone
    assert loaded.pos_embed.shape != source.pos_embed.shape
    for name, value in wanted.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    network: Any = load_encoder(path, config=vit | dict(img_size=96)).network
    assert torch.equal(network.pos_embed, wanted.pos_embed)
    # What cannot be resized to a square is a misfit like any other.
    source.pos_embed = nn.Parameter(torch.ones(1, 12, 192))
    path = saved(dict(source.state_dict()), tmp_path / 'odd.pth')
    with pytest.raises(UnusableCheckpointError, match=r'pos_embed \(1, 12, 192\), not'):
        classifier(vit | dict(img_size=96), checkpoint=path)


def test_batch_norms_of_old_files(tmp_path: Path) -> None:
    """Those of before PyTorch 0.4.1 count no batches; statistics are never made up."""
    network = torchvision.models.resnet18()
    randomise(network)
    state = {
        name: value
        for name, value in network.state_dict().items()
        if not name.endswith('num_batches_tracked')
    }
    path = saved(state, tmp_path / 'resnet18.pth')
    resnet = dict(type='mmpretrain.ResNet', depth=18)
    encoder = load_encoder(path, config=resnet)
    assert encoder.report.missing == ()
    fresh = torchvision.models.resnet18()
    fresh.load_state_dict(state)  # torch finds nothing wrong
    for loaded in (encoder.network, classifier(resnet, checkpoint=path).backbone):
        for name, value in loaded.state_dict().items():
            assert torch.equal(value, fresh.state_dict()[name]), name
    out = tmp_path / 'out.pth'
    CONVERT.main(['torchvision', path, str(out)])
    assert load_encoder(out).report.missing == ()
    del state['layer1.0.bn1.running_mean']
    path = saved(state, tmp_path / 'broken.pth')
    with pytest.raises(UnusableCheckpointError, match='2 missing') as error:
        classifier(resnet, checkpoint=path)
    assert 'layer1.0.bn1.num_batches_tracked' in str(error.value)


def test_a_misfit_is_an_error_that_lists_the_keys(tmp_path: Path) -> None:
    state = dict(build().encoder.state_dict())
    del state['norm3.weight']
    state['norm7.weight'] = torch.ones(3)
    state['norm3.bias'] = torch.ones(5)
    state = {f'encoder.{name}': value for name, value in state.items()}
    path = saved(state, tmp_path / 'other.pth')
    with pytest.raises(ValueError, match=r'other\.pth') as error:
        classifier(checkpoint=path, prefix='encoder')
    text = str(error.value)
    assert '1 missing: norm3.weight' in text
    assert '1 unexpected: norm7.weight' in text
    assert '1 of another shape: norm3.bias (5,), not (32,)' in text


def test_a_wrong_prefix_is_an_error(tmp_path: Path) -> None:
    path = saved(dict(build().state_dict()), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='missing') as error:
        classifier(checkpoint=path, prefix='student')
    assert 'encoder.' in str(error.value)  # what it could have been


def test_code_in_a_checkpoint_does_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / 'ran',)

    torch.save(dict(state_dict=Evil()), tmp_path / 'evil.pth')
    with pytest.raises(ValueError, match='could run code'):
        classifier(checkpoint=str(tmp_path / 'evil.pth'))
    assert not (tmp_path / 'ran').exists()


def test_no_checkpoint_leaves_the_initialisation_of_the_classifier() -> None:
    torch.manual_seed(0)
    weight = classifier(checkpoint=None).backbone.stages[3][0].pointwise_conv1.weight
    assert weight.std().item() == pytest.approx(0.02, rel=0.1)


def test_a_linear_probe_trains_its_head_alone() -> None:
    init_default_scope('videomac')
    model: Any = MODELS.build(
        dict(
            type='LinearProbe',
            backbone=dict(type='mmpretrain.ResNet', depth=18),
            neck=[
                dict(type='mmpretrain.GlobalAveragePooling'),
                dict(type='mmpretrain.ClsBatchNormNeck', input_features=512),
            ],
            head=dict(type='mmpretrain.LinearClsHead', num_classes=3, in_channels=512),
        )
    )
    randomise(model.backbone)
    before = {name: value.clone() for name, value in model.backbone.state_dict().items()}
    model.train()
    model(torch.randn(4, 3, 64, 64)).sum().backward()
    assert {n for n, p in model.named_parameters() if p.grad is not None} == {
        'head.fc.weight',
        'head.fc.bias',
    }
    for name, value in model.backbone.state_dict().items():
        assert torch.equal(value, before[name]), name  # running statistics too
