"""Where the encoder is in a config, and what the config says of it."""

from __future__ import annotations

from typing import Any

import pytest
from mmengine.config import Config
from mmpretrain.models import VisionTransformer

from videomac.checkpoints.encoder_part import (
    encoder_part,
    is_dense,
    number_of_heads,
)
from videomac.models import VideoMAC
from videomac.models.encoders import build_with_output_stride
from videomac.utils import find_config

PLAIN: dict[str, Any] = dict(type='mmpretrain.ResNet', depth=18)
DILATED = dict(type='OutputStride', stride=16, encoder=PLAIN)
GRN = dict(type='WithBatchGRN', encoder=DILATED)
OUTPUT_STRIDE = 'videomac.models.encoders.build_with_output_stride'


@pytest.mark.parametrize('encoder', [PLAIN, DILATED, GRN])
@pytest.mark.parametrize(
    ('kind', 'place'),
    [
        ('VideoMAC', 'encoder'),
        ('ImageClassifier', 'backbone'),
        ('mmpretrain.ImageClassifier', 'backbone'),
        ('LinearProbe', 'backbone'),
        ('mmpretrain.MAE', 'backbone'),
        ('SiamMAE', 'encoder'),
        ('FeatureExtractor', 'network'),
    ],
)
def test_models_have_encoders(kind: str, place: str, encoder: Any) -> None:
    """Of models the part, whole; what is made of an encoder is one."""
    model = {'type': kind, place: encoder | dict(init_cfg=dict(type='Pretrained'))}
    around = dict(type='LabelPropagator', backbone=model)
    for given in (encoder, model, dict(model=model), {place: encoder}, around):
        assert encoder_part(given) == encoder


@pytest.mark.parametrize('place', ['encoder', 'backbone', 'network', 'model'])
@pytest.mark.parametrize('encoder', [PLAIN, DILATED, GRN])
def test_of_types_that_are_not_registered(encoder: Any, place: str) -> None:
    """One outside or under ``model`` is a model; further in it may be the encoder."""
    unknown = {'type': 'mmdet.SomethingUnknown', place: encoder}
    for given in (unknown, dict(model=unknown), dict(model=dict(encoder=encoder))):
        assert encoder_part(given) == encoder
    for kind in ('VideoMAC', 'unheard.Of'):
        assert encoder_part(dict(model=dict(type=kind, encoder=unknown))) == unknown


@pytest.mark.parametrize('type_', [build_with_output_stride, OUTPUT_STRIDE])
def test_types_as_configs_in_pure_python_have_them(type_: Any) -> None:
    """Classes and functions, or their import paths."""
    encoder = DILATED | dict(type=type_)
    assert encoder_part(dict(type=VideoMAC, encoder=encoder)) == encoder
    vit = dict(type=VisionTransformer, arch='small')
    assert (is_dense(vit), number_of_heads(vit)) == (True, 8)


def test_of_shipped_configs() -> None:
    for name in ('convnextv2-small-patch16_8xb64-amp', 'resnet50-patch16_8xb64'):
        config = Config.fromfile(
            find_config(f'videomac/videomac_{name}-coslr-100e_ytvos.py')
        )
        assert encoder_part(config) == config.model.encoder
        assert encoder_part(config)['type'] == 'OutputStride'


def test_no_network() -> None:
    with pytest.raises(ValueError, match=r"has no encoder; its keys: \['head'\]"):
        encoder_part(dict(model=dict(head=dict())))
    bases = ('videomac', 'finetune', 'linear_probe')
    files = [f'_base_/models/{name}.py' for name in bases]
    for config in [Config.fromfile(find_config(file)) for file in files]:
        for given in (config, config.model):
            with pytest.raises(ValueError, match=r"has no encoder; its keys: \['type'"):
                encoder_part(given)


@pytest.mark.parametrize(
    ('kind', 'dense'),
    [
        ('mmpretrain.MAEViT', False),
        ('mmpretrain.MAEHiViT', False),
        ('SimMIMSwinTransformer', False),
        ('mmpretrain.SparseResNet', False),
        ('mmpretrain.SparseConvNeXt', False),
        ('mmpretrain.MoCoV3ViT', True),
        ('mmpretrain.VisionTransformer', True),
        ('mmpretrain.ConvNeXt', True),
        ('MaskedViT', True),
        ('OutputStride', True),
        ('unheard.Of', True),
    ],
)
def test_variants_for_pre_training(kind: str, dense: bool) -> None:
    assert is_dense(dict(type=kind)) == dense


def test_number_of_heads() -> None:
    """The 'small' ViT of mmpretrain has 8 of 96 channels, which no width tells."""
    vit = dict(type='mmpretrain.MAEViT')
    assert number_of_heads(vit | dict(arch='Small')) == 8
    assert number_of_heads(vit | dict(arch=dict(num_heads=3))) == 3
    assert number_of_heads(vit) is None
    assert number_of_heads(PLAIN | dict(arch='x')) is None
    assert number_of_heads(dict(type='SwinTransformer', arch='tiny')) is None
