_base_ = ['./videomac_convnextv2-small_8xb64-amp-coslr-100e_ytvos.py']

# A patch covers 2x2 cells of the encoder. 64 does not divide 224 pixels, so frames have
# 256: 4x4 patches, of which 4 are visible.
patch_size = 64
image_size = 4 * patch_size
model = dict(masking=dict(patch_size=patch_size))

train_pipeline = [
    dict(type='FramesRandomResizedCrop', size=image_size, scale=(0.2, 1.0)),
    dict(type='FramesRandomFlip', prob=0.5),
    dict(type='PackFrames'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
