_base_ = ['../videomac/videomac_convnextv2-small_8xb64-amp-coslr-100e_ytvos.py']

# Table 4b. The paper does not say how strong its colour augmentation is: these strengths,
# those of MoCo v2 (arXiv:2003.04297), are our guess. Without a random crop, frames show
# their centre.
train_pipeline = [
    dict(type='FramesResizedCenterCrop', size=_base_.image_size),
    dict(
        type='FramesColorJitter',
        brightness=0.4,
        contrast=0.4,
        saturation=0.4,
        hue=0.1),
    dict(type='PackFrames'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
