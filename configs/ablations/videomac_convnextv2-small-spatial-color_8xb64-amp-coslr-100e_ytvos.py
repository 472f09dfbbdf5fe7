_base_ = ['../videomac/videomac_convnextv2-small_8xb64-amp-coslr-100e_ytvos.py']

# Table 4b, with the colours of `color`, whose strength the paper does not give: our guess
train_pipeline = [
    dict(
        type='FramesRandomResizedCrop',
        size=_base_.image_size,
        scale=(0.2, 1.0)),
    dict(type='FramesRandomFlip', prob=0.5),
    dict(
        type='FramesColorJitter',
        brightness=0.4,
        contrast=0.4,
        saturation=0.4,
        hue=0.1),
    dict(type='PackFrames'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
