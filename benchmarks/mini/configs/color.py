_base_ = ['./videomac.py']

# Table 4b: colours instead of random crops, with the strengths of MoCo v2
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
