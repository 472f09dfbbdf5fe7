encoder = dict(
    type='IsotropicConvNeXt', depth=18, dim=384, stem_patch_size=16, batch_grn=True)
