_base_ = ['./videomac_resnet50_8xb64-coslr-100e_ytvos.py']

# 14x14 patches: the last stage is dilated instead of strided, so that a patch keeps a cell
patch_size = 16
model = dict(
    encoder=dict(
        _delete_=True,
        type='OutputStride',
        stride=patch_size,
        encoder=_base_.model.encoder),
    masking=dict(patch_size=patch_size))
