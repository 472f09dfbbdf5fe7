_base_ = ['./videomac.py']

# MAE: mmpretrain's algorithm on single frames, with a narrow ViT
image_size = 224  # pixels, as the frames have
patch_size = 16  # pixels
mask_ratio = 0.75
arch = dict(
    embed_dims=192, num_layers=12, num_heads=3, feedforward_channels=768)

data_preprocessor = dict(type='FramesAsImages')
model = dict(
    _delete_=True,
    type='mmpretrain.MAE',
    backbone=dict(
        type='mmpretrain.MAEViT',
        arch=arch,
        img_size=image_size,
        patch_size=patch_size,
        mask_ratio=mask_ratio),
    neck=dict(
        type='mmpretrain.MAEPretrainDecoder',
        num_patches=(image_size // patch_size)**2,
        patch_size=patch_size,
        embed_dim=arch['embed_dims'],
        decoder_embed_dim=128,
        decoder_depth=2,
        decoder_num_heads=4),
    head=dict(
        type='mmpretrain.MAEPretrainHead',
        norm_pix=True,
        patch_size=patch_size,
        loss=dict(type='mmpretrain.PixelReconstructionLoss', criterion='L2')),
    init_cfg=[
        dict(type='Xavier', layer='Linear', distribution='uniform'),
        dict(type='Constant', layer='LayerNorm', val=1.0, bias=0.0),
    ])
custom_hooks = []
train_dataloader = dict(dataset=dict(num_frames=1))
features = dict(
    network=dict(
        _delete_=True,
        type='mmpretrain.VisionTransformer',
        arch=arch,
        img_size=image_size,
        patch_size=patch_size,
        out_type='featmap'),
    out_stage=-1,
    output_stride=None)
