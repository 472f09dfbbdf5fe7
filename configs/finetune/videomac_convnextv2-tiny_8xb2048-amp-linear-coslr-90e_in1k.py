_base_ = [
    '../_base_/models/linear_probe.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/schedules/lars_coslr_90e.py',
    '../_base_/default_runtime.py',
]

# Linear probing: crops and flips are all its augmentation
pretraining = 'videomac_convnextv2-tiny_8xb64-amp-coslr-100e_ytvos'
checkpoint = f'work_dirs/{pretraining}/epoch_100.pth'
batch_size = 2048  # per GPU
channels = 768

train_pipeline = [
    dict(type='mmpretrain.LoadImageFromFile'),
    dict(
        type='mmpretrain.RandomResizedCrop',
        scale=_base_.image_size,
        backend='pillow',
        interpolation='bicubic'),
    dict(type='mmpretrain.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='mmpretrain.PackInputs'),
]

model = dict(
    backbone=dict(
        type='mmpretrain.ConvNeXt',
        arch='tiny',
        use_grn=True,
        layer_scale_init_value=0.0,
        init_cfg=dict(type='Pretrained', checkpoint=checkpoint)),
    # features of all encoders get one scale; nothing of it is learned
    neck=dict(type='mmpretrain.ClsBatchNormNeck', input_features=channels),
    head=dict(num_classes=_base_.num_classes, in_channels=channels),
    # what a checkpoint overwrites, and a run without one starts from
    init_cfg=dict(
        type='TruncNormal', layer=['Conv2d', 'Linear'], std=0.02, bias=0.0))

train_dataloader = dict(
    batch_size=batch_size, dataset=dict(pipeline=train_pipeline))
optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')

# this loss needs no number of classes
shortcuts = dict(
    num_classes=['data_preprocessor.num_classes', 'model.head.num_classes'])

custom_hooks = [dict(type='ClassCheckHook')]
