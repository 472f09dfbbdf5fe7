_base_ = [
    '../_base_/datasets/ytvos.py',
    '../_base_/schedules/adamw_coslr_100e.py',
    '../_base_/default_runtime.py',
]

# MAE: mmpretrain's algorithm, on single frames
image_size = 224  # pixels, as the frames have
patch_size = 16  # pixels
mask_ratio = 0.75
dim = 768  # of ViT-B
base_lr = 1.5e-4  # for each 256 samples

data_preprocessor = dict(type='FramesAsImages')
model = dict(
    type='mmpretrain.MAE',
    backbone=dict(
        type='mmpretrain.MAEViT',
        arch='base',
        img_size=image_size,
        patch_size=patch_size,
        mask_ratio=mask_ratio),
    neck=dict(
        type='mmpretrain.MAEPretrainDecoder',
        num_patches=(image_size // patch_size)**2,
        patch_size=patch_size,
        embed_dim=dim,
        decoder_embed_dim=512,
        decoder_depth=8,
        decoder_num_heads=16),
    head=dict(
        type='mmpretrain.MAEPretrainHead',
        norm_pix=True,
        patch_size=patch_size,
        loss=dict(type='mmpretrain.PixelReconstructionLoss', criterion='L2')),
    init_cfg=[
        dict(type='Xavier', layer='Linear', distribution='uniform'),
        dict(type='Constant', layer='LayerNorm', val=1.0, bias=0.0),
    ])
train_dataloader = dict(dataset=dict(num_frames=1))

optim_wrapper = dict(
    type='AmpOptimWrapper',
    loss_scale='dynamic',
    optimizer=dict(lr=base_lr * 512 / 256),
    paramwise_cfg=dict(custom_keys=dict(cls_token=dict(decay_mult=0.0))))
