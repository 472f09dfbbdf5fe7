encoder = dict(
    type='mmpretrain.VisionTransformer',
    arch='deit-small',
    img_size=224,
    patch_size=16,
    with_cls_token=False,
    out_type='featmap')
