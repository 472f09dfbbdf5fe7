# A few minutes on two CPU cores: small frames and a small encoder on two short clips.
# tools/demo.py fills in `source.paths`; everything else can be trained as it stands.
_base_ = [
    '../_base_/models/videomac.py',
    '../_base_/schedules/adamw_coslr_100e.py',
    '../_base_/default_runtime.py',
]

image_size = 128  # pixels
patch_size = 16  # pixels
batch_size = 16
num_workers = 1
max_iters = 260
warmup_iters = 30
log_interval = 10  # iterations
lr = 3e-3
momentum = 0.95  # of the target network; a short run needs a quicker one
seed = 0

model = dict(
    # Two stages behind a stem of 8 pixels, so that a latent cell covers 16.
    encoder=dict(
        type='mmpretrain.ConvNeXt',
        arch=dict(depths=[2, 6], channels=[96, 192]),
        stem_patch_size=8,
        out_indices=[1],
        use_grn=True,
        layer_scale_init_value=0.0,
        gap_before_final_norm=False),
    masking=dict(patch_size=patch_size),
    decoder=dict(dim=256))

train_dataloader = dict(
    batch_size=batch_size,
    num_workers=num_workers,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='FramePairDataset',
        source=dict(type='VideoFiles', paths=[]),
        gap=1,
        pipeline=[
            dict(
                type='FramesRandomResizedCrop', size=image_size, scale=(0.8, 1.0)),
            dict(type='FramesRandomFlip', prob=0.5),
            dict(type='PackFrames'),
        ]))

optim_wrapper = dict(optimizer=dict(lr=lr))

param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1e-2,
        by_epoch=False,
        begin=0,
        end=warmup_iters),
    dict(  # to the last iteration
        type='CosineAnnealingLR',
        eta_min=0.0,
        by_epoch=False,
        begin=warmup_iters),
]

train_cfg = dict(
    _delete_=True, type='IterBasedTrainLoop', max_iters=max_iters)

custom_hooks = [
    dict(type='TargetEMAHook', momentum=momentum, end_momentum=1.0)
]
default_hooks = dict(
    logger=dict(interval=log_interval),
    checkpoint=dict(interval=max_iters, by_epoch=False),
    # Shown in the report at the end.
    reconstructions=dict(type='ReconstructionVisHook', interval=max_iters // 4))
log_processor = dict(window_size=log_interval, by_epoch=False)
randomness = dict(seed=seed)

shortcuts = dict(
    _delete_=True,
    lr=['optim_wrapper.optimizer.lr'],
    max_iters=['train_cfg.max_iters'],
    warmup_iters=['param_scheduler.0.end', 'param_scheduler.1.begin'])
