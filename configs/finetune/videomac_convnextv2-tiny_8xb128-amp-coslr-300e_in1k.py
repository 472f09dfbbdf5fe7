_base_ = [
    '../_base_/models/finetune.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/schedules/adamw_layerdecay_300e.py',
    '../_base_/default_runtime.py',
]

# Table 5; the recipe with which FCMAE fine-tunes it
pretraining = 'videomac_convnextv2-tiny_8xb64-amp-coslr-100e_ytvos'
checkpoint = f'work_dirs/{pretraining}/epoch_100.pth'
drop_path_rate = 0.2
ema_momentum = 1e-4  # of the new weights: a decay of 0.9999

model = dict(
    backbone=dict(
        type='mmpretrain.ConvNeXt',
        arch='tiny',
        use_grn=True,
        layer_scale_init_value=0.0,
        drop_path_rate=drop_path_rate,
        init_cfg=dict(type='Pretrained', checkpoint=checkpoint)),
    head=dict(
        num_classes=_base_.num_classes,
        in_channels=768,
        loss=dict(num_classes=_base_.num_classes)),
    # what a checkpoint overwrites, and a run without one starts from
    init_cfg=dict(
        type='TruncNormal', layer=['Conv2d', 'Linear'], std=0.02, bias=0.0))

optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')

custom_hooks = [
    dict(
        type='mmpretrain.EMAHook',
        momentum=ema_momentum,
        priority='ABOVE_NORMAL'),
    dict(type='ClassCheckHook'),
]
