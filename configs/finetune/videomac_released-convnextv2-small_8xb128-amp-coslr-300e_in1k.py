_base_ = ['./videomac_convnextv2-tiny_8xb128-amp-coslr-300e_in1k.py']

# The topology of the released code, the recipe of V2-T
pretraining = 'videomac_released-convnextv2-small_8xb64-amp-coslr-100e_ytvos'
checkpoint = f'work_dirs/{pretraining}/epoch_100.pth'
drop_path_rate = 0.2

model = dict(
    backbone=dict(
        _delete_=True,
        type='ReleasedConvNeXt',
        arch='small',
        use_grn=True,
        drop_path_rate=drop_path_rate,
        init_cfg=dict(type='Pretrained', checkpoint=checkpoint)),
    neck=dict(type='mmpretrain.GlobalAveragePooling'),  # of the normed map
)
