_base_ = ['./videomac_convnextv2-tiny_8xb2048-amp-linear-coslr-90e_in1k.py']

pretraining = 'videomac_resnet50_8xb64-coslr-100e_ytvos'
checkpoint = f'work_dirs/{pretraining}/epoch_100.pth'
channels = 2048

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmpretrain.ResNet',
        depth=50,
        init_cfg=dict(type='Pretrained', checkpoint=checkpoint)),
    neck=[
        dict(type='mmpretrain.GlobalAveragePooling'),
        dict(type='mmpretrain.ClsBatchNormNeck', input_features=channels),
    ],
    head=dict(in_channels=channels),
    init_cfg=[
        dict(type='Kaiming', layer=['Conv2d']),
        dict(type='Constant', val=1.0, layer=['_BatchNorm', 'GroupNorm']),
    ])
