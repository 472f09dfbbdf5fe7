encoder = dict(
    type='mmpretrain.VisionTransformer',
    arch='large',
    img_size=224,
    patch_size=16,
    out_type='featmap')
