"""Stock ConvNets of mmpretrain and timm on which the sparse engine is tried.

mmpretrain: every backbone whose trunk is convolutional, in its smallest form, and those
that mix convolution with attention or with layers over all positions, to say what they
lack. timm: one or more of the smallest members of every family that is.
"""

from __future__ import annotations

from typing import Any

__all__ = ['ENCODERS', 'GRIDS']

#: Settings of the backbones of mmpretrain, by the name that the table shows.
MMPRETRAIN: dict[str, dict[str, Any]] = {
    'AlexNet': dict(type='AlexNet'),
    'LeNet5': dict(type='LeNet5'),
    'VGG-11-BN': dict(type='VGG', depth=11, norm_cfg=dict(type='BN')),
    'VGG-16': dict(type='VGG', depth=16),
    'ResNet-18': dict(type='ResNet', depth=18),
    'ResNet-50': dict(type='ResNet', depth=50),
    'ResNet-50, output stride 16': dict(
        type='ResNet', depth=50, strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2)
    ),
    'ResNet_CIFAR-18': dict(type='ResNet_CIFAR', depth=18),
    'ResNetV1c-50': dict(type='ResNetV1c', depth=50),
    'ResNetV1d-50': dict(type='ResNetV1d', depth=50),
    'SEResNet-50': dict(type='SEResNet', depth=50),
    'ResNeXt-50': dict(type='ResNeXt', depth=50),
    'SEResNeXt-50': dict(type='SEResNeXt', depth=50),
    'ResNeSt-50': dict(type='ResNeSt', depth=50),
    'Res2Net-50': dict(type='Res2Net', depth=50),
    'RegNetX-400MF': dict(type='RegNet', arch='regnetx_400mf'),
    'DenseNet-121': dict(type='DenseNet', arch='121'),
    'MobileNetV2': dict(type='MobileNetV2'),
    'MobileNetV3-small': dict(type='MobileNetV3', arch='small'),
    'MobileNetV3-large': dict(type='MobileNetV3', arch='large'),
    'MobileOne-S0': dict(type='MobileOne', arch='s0'),
    'MobileOne-S4': dict(type='MobileOne', arch='s4'),
    'ShuffleNetV1': dict(type='ShuffleNetV1'),
    'ShuffleNetV2': dict(type='ShuffleNetV2'),
    'EfficientNet-B0': dict(type='EfficientNet', arch='b0'),
    'EfficientNetV2-S': dict(type='EfficientNetV2', arch='s'),
    'HRNet-W18': dict(type='HRNet', arch='w18'),
    'ConvNeXt-atto': dict(type='ConvNeXt', arch='atto', gap_before_final_norm=False),
    'ConvNeXt V2-atto': dict(
        type='ConvNeXt',
        arch='atto',
        use_grn=True,
        layer_scale_init_value=0.0,
        gap_before_final_norm=False,
    ),
    'ConvMixer-768/32': dict(type='ConvMixer', arch='768/32'),
    'CSPDarkNet-53': dict(type='CSPDarkNet', depth=53),
    'CSPResNet-50': dict(type='CSPResNet', depth=50),
    'CSPResNeXt-50': dict(type='CSPResNeXt', depth=50),
    'RepVGG-A0': dict(type='RepVGG', arch='A0'),
    'RepLKNet-31B': dict(type='RepLKNet', arch='31B'),
    'VAN-tiny': dict(type='VAN', arch='tiny'),
    'PoolFormer-S12': dict(type='PoolFormer', arch='s12'),
    'RIFormer-S12': dict(type='RIFormer', arch='s12'),
    'HorNet-tiny': dict(type='HorNet', arch='tiny', gap_before_final_norm=False),
    'HorNet-tiny-GF': dict(type='HorNet', arch='tiny-gf', gap_before_final_norm=False),
    'InceptionV3': dict(type='InceptionV3'),
    'RepMLPNet-B': dict(type='RepMLPNet', arch='B', img_size=224),
    'EdgeNeXt-xxsmall': dict(
        type='EdgeNeXt', arch='xxsmall', gap_before_final_norm=False
    ),
    'EfficientFormer-L1': dict(type='EfficientFormer', arch='l1'),
    'MobileViT-xxsmall': dict(type='MobileViT', arch='xx_small'),
    'TinyViT-5M': dict(type='TinyViT', arch='5m', gap_before_final_norm=False),
}

#: Models of timm, one or more of each convolutional family.
TIMM = (
    *('bat_resnext26ts', 'eca_resnext26ts', 'gcresnext26ts', 'seresnext26ts'),
    *('resnext26ts', 'regnetz_b16', 'repvgg_a0', 'mobileone_s1', 'test_byobnet'),
    *('lambda_resnet26t', 'botnet26t_256', 'eca_halonext26ts'),
    *('convmixer_768_32', 'convnext_atto', 'convnextv2_atto', 'convnext_atto_rms'),
    *('cspresnet50', 'cspdarknet53', 'cs3darknet_focus_s', 'cspnext_tiny'),
    *('densenet121', 'densenetblur121d', 'dla34', 'dla46x_c', 'dla60_res2net'),
    *('dpn48b', 'efficientnet_lite0', 'efficientnet_b0', 'efficientnet_b0_gn'),
    *('tf_efficientnet_b0', 'tf_efficientnet_lite0', 'tf_efficientnetv2_b0'),
    *('mixnet_s', 'tf_mixnet_s', 'mnasnet_small', 'mobilenetv1_100', 'mobilenetv2_035'),
    *(
        'mobilenetv4_conv_small_035',
        'fbnetc_100',
        'spnasnet_100',
        'gc_efficientnetv2_rw_t',
    ),
    *('tinynet_e', 'fasternet_t0', 'fastvit_t8', 'focalnet_tiny_srf'),
    *('ghostnet_050', 'ghostnetv2_100', 'ghostnetv3_050', 'hardcorenas_a'),
    *('hgnet_tiny', 'hgnetv2_b0', 'hrnet_w18_small', 'inception_next_atto'),
    *('inception_resnet_v2', 'inception_v3', 'inception_v4', 'lcnetv2_small'),
    *('mambaout_femto', 'poolformer_s12', 'poolformerv2_s12', 'convformer_s18'),
    *('caformer_s18', 'fbnetv3_b', 'lcnet_035', 'mobilenetv3_small_050'),
    *('tf_mobilenetv3_small_minimal_100', 'mobilenetv5_base', 'nasnetalarge'),
    *('pnasnet5large', 'dm_nfnet_f0', 'eca_nfnet_l0', 'nf_regnet_b0', 'nf_resnet26'),
    *('rdnet_tiny', 'regnetx_002', 'regnety_002', 'regnetv_040', 'repghostnet_050'),
    *('repvit_m0_9', 'res2net50_14w_8s', 'res2next50', 'resnest14d', 'resnet10t'),
    *('resnet18', 'resnet26d', 'resnetaa50', 'resnetblur18', 'resnetrs50', 'resnet50_gn'),
    *('seresnet18', 'ecaresnet26t', 'resnext50_32x4d', 'wide_resnet50_2'),
    *('resnetv2_18', 'resnetv2_50x1_bit', 'resnetv2_50d_gn', 'rexnet_100', 'selecsls42b'),
    *(
        'legacy_seresnet18',
        'skresnet18',
        'starnet_s050',
        'tresnet_m',
        'vgg11',
        'vgg11_bn',
    ),
    *('ese_vovnet19b_slim_dw', 'vovnet39a', 'legacy_xception', 'xception41'),
    *('efficientvit_b0', 'efficientformer_l1', 'efficientformerv2_s0'),
    *('edgenext_xx_small', 'shvit_s1', 'csatv2', 'cpubone_b0_bfrobust', 'lowformer_b0'),
)

#: Settings of every encoder, by its name.
ENCODERS: dict[str, dict[str, Any]] = {
    **{
        name: {**cfg, 'type': f'mmpretrain.{cfg["type"]}'}
        for name, cfg in MMPRETRAIN.items()
    },
    **{
        f'timm {name}': dict(
            type='mmpretrain.TIMMBackbone', model_name=name, features_only=True
        )
        for name in TIMM
    },
}

#: Side of the patches, rows and columns of patches of those that need others than 2x3
#: patches of 32 pixels: their stride is another, or they take images of one size only.
GRIDS: dict[str, tuple[int, tuple[int, int]]] = {
    'ConvMixer-768/32': (28, (2, 3)),
    'RepMLPNet-B': (32, (7, 7)),
    'TinyViT-5M': (32, (7, 7)),
    'timm convmixer_768_32': (28, (2, 3)),
    'timm botnet26t_256': (32, (8, 8)),
    'timm eca_halonext26ts': (32, (8, 8)),
    'timm efficientformerv2_s0': (32, (7, 7)),
}
