# VideoMAC but for its encoder; widths, strides and grids follow from encoder and image
patch_size = 32  # pixels
mask_ratio = 0.75
decoder_dim = 512
decoder_depth = 1
consistency_weight = 1.0  # gamma of Eq. 3

model = dict(
    type='VideoMAC',
    sparse=dict(type='PatchSparse'),
    masking=dict(
        type='RandomPatchMasking',
        patch_size=patch_size,
        ratio=mask_ratio,
        symmetric=True),
    decoder=dict(type='ConvNeXtDecoder', dim=decoder_dim, depth=decoder_depth),
    target=dict(type='EMATarget'),
    reconstruction_loss=dict(type='MaskedReconstructionLoss', norm_pix=True),
    consistency_loss=dict(
        type='ReconstructionConsistencyLoss', weight=consistency_weight))

custom_hooks = [
    dict(type='TargetEMAHook', momentum=0.996, end_momentum=1.0, schedule='cosine')
]
