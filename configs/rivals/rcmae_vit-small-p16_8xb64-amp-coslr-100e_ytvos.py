_base_ = [
    '../_base_/datasets/ytvos.py',
    '../_base_/schedules/adamw_coslr_100e.py',
    '../_base_/default_runtime.py',
]

# RC-MAE: MAE and its moving average agree on the same masked frame
image_size = 224  # pixels, as the frames have
patch_size = 16  # pixels
mask_ratio = 0.75
consistency_weight = 1.0
base_lr = 1.5e-4  # for each 256 samples

model = dict(
    type='RCMAE',
    encoder=dict(
        type='MaskedViT',
        arch='deit-small',
        img_size=image_size,
        patch_size=patch_size),
    masking=dict(
        type='RandomPatchMasking', patch_size=patch_size, ratio=mask_ratio),
    decoder=dict(type='TokenDecoder', dim=256, depth=4, num_heads=8),
    target=dict(type='EMATarget'),
    reconstruction_loss=dict(type='MaskedReconstructionLoss', norm_pix=True),
    consistency_loss=dict(
        type='ReconstructionConsistencyLoss', weight=consistency_weight))
custom_hooks = [
    dict(type='TargetEMAHook', momentum=0.996, end_momentum=1.0, schedule='cosine')
]
train_dataloader = dict(dataset=dict(num_frames=1))

optim_wrapper = dict(
    type='AmpOptimWrapper',
    loss_scale='dynamic',
    optimizer=dict(lr=base_lr * 512 / 256),
    paramwise_cfg=dict(custom_keys=dict(cls_token=dict(decay_mult=0.0))))
