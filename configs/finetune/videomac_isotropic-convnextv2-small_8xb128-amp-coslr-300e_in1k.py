_base_ = ['./videomac_convnextv2-tiny_8xb128-amp-coslr-300e_in1k.py']

# The isotropic encoder of Table 2, the recipe of V2-T
pretraining = 'videomac_isotropic-convnextv2-small_8xb64-amp-coslr-100e_ytvos'
checkpoint = f'work_dirs/{pretraining}/epoch_100.pth'
drop_path_rate = 0.2
channels = 384

model = dict(
    backbone=dict(
        _delete_=True,
        type='IsotropicConvNeXt',
        depth=18,
        dim=channels,
        stem_patch_size=16,
        drop_path_rate=drop_path_rate,
        init_cfg=dict(type='Pretrained', checkpoint=checkpoint)),
    neck=dict(type='mmpretrain.GlobalAveragePooling'),  # of the normed map
    head=dict(in_channels=channels))
