# Minutes on two CPU cores: the encoder of configs/videomac/demo.py on a folder of images
# in a few classes, {train,val}/<class>/<image>.
_base_ = ['./videomac_convnextv2-tiny_8xb128-amp-coslr-300e_in1k.py']

work_dir = 'work_dirs/finetune_demo'  # not that of configs/videomac/demo.py
data_root = 'data/images'
num_classes = 2
checkpoint = 'work_dirs/demo/iter_260.pth'
image_size = 128  # pixels
resize = 146  # pixels
batch_size = 32
num_workers = 1
max_epochs = 20
warmup_epochs = 4
lr = 1e-3
min_lr = 1e-6
layer_decay_rate = 0.8
drop_path_rate = 0.1
label_smoothing = 0.1
ema_momentum = 0.02  # of the new weights; a short run needs a quicker one
seed = 0

train_pipeline = [
    dict(type='mmpretrain.LoadImageFromFile'),
    dict(
        type='mmpretrain.RandomResizedCrop',
        scale=image_size,
        crop_ratio_range=(0.3, 1.0),
        backend='pillow',
        interpolation='bicubic'),
    dict(type='mmpretrain.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='mmpretrain.PackInputs'),
]
test_pipeline = [
    dict(type='mmpretrain.LoadImageFromFile'),
    dict(
        type='mmpretrain.ResizeEdge',
        scale=resize,
        edge='short',
        backend='pillow',
        interpolation='bicubic'),
    dict(type='mmpretrain.CenterCrop', crop_size=image_size),
    dict(type='mmpretrain.PackInputs'),
]

data_preprocessor = dict(num_classes=num_classes)
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmpretrain.ConvNeXt',
        arch=dict(depths=[2, 6], channels=[96, 192]),
        stem_patch_size=8,
        out_indices=[1],
        use_grn=True,
        layer_scale_init_value=0.0,
        drop_path_rate=drop_path_rate,
        init_cfg=dict(type='Pretrained', checkpoint=checkpoint)),
    head=dict(
        num_classes=num_classes,
        in_channels=192,
        loss=dict(
            num_classes=num_classes, label_smooth_val=label_smoothing)),
    train_cfg=None)  # too few images and epochs to mix them

train_dataloader = dict(
    batch_size=batch_size,
    num_workers=num_workers,
    dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=batch_size,
    num_workers=num_workers,
    dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader

optim_wrapper = dict(
    optimizer=dict(lr=lr),
    paramwise_cfg=dict(layer_decay_rate=layer_decay_rate))
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1e-2,
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
train_cfg = dict(max_epochs=max_epochs, val_interval=5)
auto_scale_lr = dict(base_batch_size=batch_size)

default_hooks = dict(
    logger=dict(interval=5), checkpoint=dict(interval=max_epochs))
custom_hooks = [
    dict(
        type='mmpretrain.EMAHook',
        momentum=ema_momentum,
        priority='ABOVE_NORMAL'),
    dict(type='ClassCheckHook'),
]
log_processor = dict(window_size=5)
randomness = dict(seed=seed)
