_base_ = [
    '../_base_/datasets/ytvos.py',
    '../_base_/schedules/adamw_coslr_100e.py',
    '../_base_/default_runtime.py',
]

# SiamMAE: the past frame whole, the future frame nearly all masked
image_size = 224  # pixels, as the frames have
patch_size = 16  # pixels
mask_ratio = 0.95  # of the future frame
gap = 1  # frames of the official list, 5 apart in the video: 4 to 48 in the paper
max_gap = 10
base_lr = 1.5e-4  # for each 256 samples

model = dict(
    type='SiamMAE',
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
    dict(type='FramesRandomResizedCrop', size=image_size, scale=(0.5, 1.0)),
    dict(type='FramesRandomFlip', prob=0.5),
    dict(type='PackFrames'),
]
train_dataloader = dict(
    dataset=dict(
        type='RandomGapPairDataset',
        gap=gap,
        max_gap=max_gap,
        pipeline=train_pipeline))

optim_wrapper = dict(
    type='AmpOptimWrapper',
    loss_scale='dynamic',
    optimizer=dict(lr=base_lr * 512 / 256),
    paramwise_cfg=dict(custom_keys=dict(cls_token=dict(decay_mult=0.0))))
