_base_ = ['./videomac.py']

# SparK: mmpretrain's algorithm on single frames, with the masked-dense form of atto
image_size = 224  # pixels, as the frames have
patch_size = 32  # pixels
mask_ratio = 0.6
latent_dim = 320  # of atto
decoder_dim = 256

data_preprocessor = dict(type='FramesAsImages')
model = dict(
    _delete_=True,
    type='mmpretrain.SparK',
    input_size=image_size,
    downsample_raito=patch_size,  # sic
    mask_ratio=mask_ratio,
    enc_dec_norm_cfg=dict(type='SparseLN2d', eps=1e-6),
    enc_dec_norm_dim=latent_dim,
    backbone=dict(
        type='mmpretrain.SparseConvNeXt',
        arch='atto',
        use_grn=True,
        layer_scale_init_value=0.0,
        out_indices=(0, 1, 2, 3),
        gap_before_output=False),
    neck=dict(
        type='mmpretrain.SparKLightDecoder',
        feature_dim=decoder_dim,
        upsample_ratio=patch_size),
    head=dict(
        type='mmpretrain.SparKPretrainHead',
        norm_pix=True,
        patch_size=patch_size,
        loss=dict(type='mmpretrain.PixelReconstructionLoss', criterion='L2')))
custom_hooks = []
train_dataloader = dict(dataset=dict(num_frames=1))
# mmpretrain's sparse ConvNeXt has no norm after any stage.
features = dict(network=dict(out_indices=()))
