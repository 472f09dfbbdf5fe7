encoder = dict(
    type='mmpretrain.VisionTransformer',
    arch='base',
    img_size=224,
    patch_size=16,
    with_cls_token=False,
    out_type='featmap')
