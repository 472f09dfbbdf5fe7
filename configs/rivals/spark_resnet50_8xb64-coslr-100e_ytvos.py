_base_ = [
    '../_base_/datasets/ytvos.py',
    '../_base_/schedules/adamw_coslr_100e.py',
    '../_base_/default_runtime.py',
]

# SparK: mmpretrain's algorithm with its masked-dense encoder, on single frames
image_size = 224  # pixels, as the frames have
patch_size = 32  # pixels
mask_ratio = 0.6
latent_dim = 2048  # of ResNet-50
decoder_dim = 512
base_lr = 2e-4  # for each 512 samples
warmup_epochs = 10

data_preprocessor = dict(type='FramesAsImages')
model = dict(
    type='mmpretrain.SparK',
    input_size=image_size,
    downsample_raito=patch_size,  # sic
    mask_ratio=mask_ratio,
    # Not mmpretrain's SparseSyncBatchNorm2d: without other processes mmengine makes
    # a dense BatchNorm of it, whose statistics count the masked cells.
    enc_dec_norm_cfg=dict(type='SparseBatchNorm2d'),
    enc_dec_norm_dim=latent_dim,
    backbone=dict(
        type='mmpretrain.SparseResNet',
        depth=50,
        norm_cfg=dict(type='SparseBatchNorm2d'),
        out_indices=(0, 1, 2, 3),
        drop_path_rate=0.05),
    neck=dict(
        type='mmpretrain.SparKLightDecoder',
        feature_dim=decoder_dim,
        upsample_ratio=patch_size),
    head=dict(
        type='mmpretrain.SparKPretrainHead',
        norm_pix=True,
        patch_size=patch_size,
        loss=dict(type='mmpretrain.PixelReconstructionLoss', criterion='L2')))
train_dataloader = dict(dataset=dict(num_frames=1))

optim_wrapper = dict(
    optimizer=dict(type='Lamb', lr=base_lr * 512 / 512, weight_decay=0.04),
    clip_grad=dict(max_norm=5.0))

param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1e-4,
        by_epoch=True,
        begin=0,
        end=warmup_epochs,
        convert_to_iter_based=True),
    dict(  # to the last epoch
        type='CosineAnnealingLR',
        eta_min=0.0,
        by_epoch=True,
        begin=warmup_epochs,
        convert_to_iter_based=True),
    # mmpretrain's: the weight decay rises, to the last epoch
    dict(
        type='mmpretrain.CosineAnnealingWeightDecay',
        eta_min=0.2,
        by_epoch=True,
        begin=0,
        convert_to_iter_based=True),
]
