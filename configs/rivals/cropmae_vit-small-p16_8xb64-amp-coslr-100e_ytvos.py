_base_ = [
    '../_base_/datasets/ytvos.py',
    '../_base_/schedules/adamw_coslr_100e.py',
    '../_base_/default_runtime.py',
]

# CropMAE: a crop of a crop of one frame, of which two patches are seen
image_size = 224  # pixels
patch_size = 16  # pixels
mask_ratio = 0.985  # of the local crop
base_lr = 1e-4  # for each 256 samples

model = dict(
    type='CropMAE',
    encoder=dict(
        type='MaskedViT',
        arch='deit-small',
        img_size=image_size,
        patch_size=patch_size),
    masking=dict(
        type='RandomPatchMasking', patch_size=patch_size, ratio=mask_ratio),
    decoder=dict(type='CrossAttentionDecoder', dim=256, depth=4, num_heads=8),
    reconstruction_loss=dict(type='MaskedReconstructionLoss', norm_pix=True))

train_pipeline = [
    dict(
        type='FramesGlobalLocalCrops',
        size=image_size,
        global_scale=(0.5, 1.0),
        local_scale=(0.3, 0.6)),
    dict(type='FramesRandomFlip', prob=0.5),
    dict(type='PackFrames'),
]
train_dataloader = dict(
    dataset=dict(num_frames=1, pipeline=train_pipeline))

optim_wrapper = dict(
    type='AmpOptimWrapper',
    loss_scale='dynamic',
    optimizer=dict(lr=base_lr * 512 / 256),
    paramwise_cfg=dict(custom_keys=dict(cls_token=dict(decay_mult=0.0))))
