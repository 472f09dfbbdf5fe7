_base_ = [
    '../_base_/models/finetune.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/schedules/adamw_layerdecay_300e.py',
    '../_base_/default_runtime.py',
]

# The paper fine-tunes no ResNet. This is how SparK does (Tian et al., ICLR 2023; after
# ResNet strikes back, A2), but for RandAugment where SparK has TrivialAugment, and the
# crop of 224 out of 256 pixels in tests.
pretraining = 'videomac_resnet50_8xb64-coslr-100e_ytvos'
checkpoint = f'work_dirs/{pretraining}/epoch_100.pth'
batch_size = 512  # per GPU
base_batch_size = 4096
lr = 0.032  # 2e-3 for each 256 images
min_lr = lr / 1000
layer_decay_rate = 0.7
weight_decay = 0.02
warmup_epochs = 5
drop_path_rate = 0.05
mixup = 0.1
cutmix = 1.0
label_smoothing = 0.1
ema_momentum = 1e-4  # of the new weights: a decay of 0.9999

model = dict(
    backbone=dict(
        type='mmpretrain.ResNet',
        depth=50,
        drop_path_rate=drop_path_rate,
        init_cfg=dict(type='Pretrained', checkpoint=checkpoint)),
    neck=dict(type='mmpretrain.GlobalAveragePooling'),
    head=dict(
        num_classes=_base_.num_classes,
        in_channels=2048,
        # binary cross entropy, a problem a class
        loss=dict(
            num_classes=_base_.num_classes,
            label_smooth_val=label_smoothing,
            mode='original',
            use_sigmoid=True),
        init_cfg=dict(_delete_=True, type='Normal', layer='Linear', std=0.01)),
    train_cfg=dict(augments=[
        dict(type='Mixup', alpha=mixup),
        dict(type='CutMix', alpha=cutmix),
    ]),
    # what a checkpoint overwrites, and a run without one starts from
    init_cfg=[
        dict(type='Kaiming', layer=['Conv2d']),
        dict(type='Constant', val=1.0, layer=['_BatchNorm', 'GroupNorm']),
    ])

train_dataloader = dict(batch_size=batch_size)

optim_wrapper = dict(
    optimizer=dict(
        _delete_=True,
        type='Lamb',
        lr=lr,
        weight_decay=weight_decay,
        bias_correction=False,
        max_grad_norm=1e7,
        always_adapt=True),
    paramwise_cfg=dict(
        layer_decay_rate=layer_decay_rate, blocks_per_layer=3, stem_apart=True))

param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=5e-3,
        by_epoch=True,
        begin=0,
        end=warmup_epochs,
        convert_to_iter_based=True),
    dict(  # to the last epoch
        type='CosineAnnealingLR',
        eta_min_ratio=min_lr / lr,
        by_epoch=True,
        begin=warmup_epochs,
        convert_to_iter_based=True),
]
auto_scale_lr = dict(base_batch_size=base_batch_size)

sync_bn = 'torch'
custom_hooks = [
    dict(
        type='mmpretrain.EMAHook',
        momentum=ema_momentum,
        update_buffers=True,  # running statistics belong to the averaged weights
        priority='ABOVE_NORMAL'),
    dict(type='ClassCheckHook'),
]
