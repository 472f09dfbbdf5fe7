"""Checkpoints that do not fit their format: what the errors say."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torchvision

from tests.checkpoints import layouts
from tests.checkpoints.test_import import CONVNEXTS, SIZE, VITS, State
from tests.models.test_released import released_convnext
from videomac.checkpoints import (
    ALIASES,
    check_encoder,
    detect,
    encoder_config,
    import_state,
)


def test_unknown_format() -> None:
    """A wrong name lists the right ones; wrong keys tell what they look like."""
    with pytest.raises(ValueError, match=r"no format 'mea'; there are .*videomae"):
        detect(layouts.mae(), 'mea')
    with pytest.raises(ValueError, match=r"not of the format 'mae-st'.*look like 'vit'"):
        detect(layouts.mae(), 'mae-st')
    with pytest.raises(ValueError, match=r'no known format: weight, \.\.\.'):
        detect({'weight': torch.zeros(1)})
    for name in ALIASES:
        with pytest.raises(ValueError, match='weight'):
            detect({'weight': torch.zeros(1)}, name)


@pytest.mark.parametrize('case', [*CONVNEXTS, *VITS, 'released V2', 'resnet'])
def test_leftover_tensor_is_an_error(case: str) -> None:
    if case == 'resnet':
        state = dict(torchvision.models.resnet18().state_dict())
    elif case == 'released V2':
        state = released_convnext(True).state
    else:
        state = (CONVNEXTS | VITS)[case][0]()
    state['surplus.weight'] = torch.zeros(2, 3)
    with pytest.raises(ValueError, match=r'1 tensors .*surplus\.weight \[2, 3\]'):
        import_state(state, image_size=SIZE)
    done, _ = import_state(state, image_size=SIZE, strict=False)
    assert 'surplus.weight [2, 3] -> left out: unknown to this format' in done.table()


def resnet_with(name: str) -> State:
    """Make a plain ResNet without its head, as a model's backbone, with one more key."""
    state = torchvision.models.resnet18().state_dict()
    inner = {k: v for k, v in state.items() if not k.startswith('fc.')}
    inner[name] = torch.zeros(2, 3)
    return {f'backbone.{key}': value for key, value in inner.items()}


@pytest.mark.parametrize('name', ['auto', 'resnet', 'moco', 'timm', 'mmpretrain'])
@pytest.mark.parametrize('key', ['fc.weight', 'head.mlp.0.weight', 'mean'])
def test_leftover_beside_a_resnet_that_is_a_backbone(key: str, name: str) -> None:
    state = resnet_with(key)
    with pytest.raises(ValueError, match=rf'1 tensors .*backbone\.{key} \[2, 3\]'):
        import_state(state, name)
    done, found = import_state(state, name, strict=False)
    assert found.name == 'resnet'
    assert [f'backbone.{each}' for each in done.state] == list(state)[:-1]


@pytest.mark.parametrize(
    'key',
    ['stem.0.weight', 'layer1.0.se_layer.conv1.conv.bias', 'transition1.0.0.weight'],
)
def test_relatives_of_the_resnet(key: str) -> None:
    """Every key of theirs is of the network, unless plain ResNets are asked for."""
    state = resnet_with(key)
    for name in ('auto', 'mmpretrain', 'backbone'):
        done, found = import_state(state, name)
        assert found.name == 'mmpretrain'
        assert [f'backbone.{each}' for each in done.state] == list(state)
    for name in ('resnet', 'dino'):
        with pytest.raises(ValueError, match=rf'1 tensors .*backbone\.{key} \[2, 3\]'):
            import_state(state, name)


def test_missing_tensor_is_an_error() -> None:
    state = layouts.convnext(layouts.FACEBOOK, True)
    del state['stages.2.1.pwconv1.bias']
    done, _ = import_state(state)
    config = encoder_config(done.state)
    assert config is not None
    missing = r'1 missing: stages\.2\.1\.pointwise_conv1\.bias'
    with pytest.raises(ValueError, match=missing):
        check_encoder(done.state, config)


@pytest.mark.parametrize(
    ('make', 'key', 'text'),
    [
        (
            layouts.fcmae,
            'encoder.stages.3.0.norm.ln.weight',
            r'stages\.3\.0\.norm\.weight',
        ),
        (
            layouts.videomae,
            'encoder.patch_embed.proj.weight',
            r'patch_embed\.proj\.weight',
        ),
    ],
)
def test_missing_tensor_that_others_follow_from(
    make: Callable[[], State], key: str, text: str
) -> None:
    state = make()
    del state[key]
    with pytest.raises(ValueError, match=rf'is missing: {text}'):
        import_state(state, image_size=SIZE)


def test_network_that_cannot_be_told() -> None:
    done, _ = import_state(layouts.mae())
    del done.state['layers.0.ffn.layers.0.0.bias']
    with pytest.raises(
        ValueError, match=r"'layers\.0\.ffn\.layers\.0\.0\.bias' is missing"
    ):
        encoder_config(done.state)
    assert encoder_config({'unheard.of': torch.zeros(1)}) is None


def test_two_tensors_for_one_key_are_an_error() -> None:
    state = layouts.convnext(layouts.FACEBOOK, True)
    state['norm3.weight'] = state['norm.weight']
    with pytest.raises(ValueError, match=r"both go to 'norm3\.weight'"):
        import_state(state)


def test_video_formats_say_what_is_missing() -> None:
    state = layouts.videomae()
    with pytest.raises(ValueError, match='13 pixels is not a multiple of patches of 4'):
        import_state(state, image_size=13)
    del state['encoder.blocks.0.attn.v_bias']
    with pytest.raises(ValueError, match='no queries or no values'):
        import_state(state, image_size=SIZE)
    state = layouts.mae_st()
    del state['pos_embed_temporal']
    with pytest.raises(ValueError, match='pos_embed_temporal is not there'):
        import_state(state)
