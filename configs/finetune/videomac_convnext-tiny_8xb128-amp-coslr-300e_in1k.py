_base_ = ['./videomac_convnextv2-tiny_8xb128-amp-coslr-300e_in1k.py']

# Table 5 over 300 epochs. The paper does not give its recipe: this is that of V2-T, which
# differs from V1's own (Liu et al., 2022) in layer decay, batch and warm-up, with V1-T's
# stochastic depth.
pretraining = 'videomac_convnext-tiny_8xb32-amp-coslr-100e_ytvos'
checkpoint = f'work_dirs/{pretraining}/epoch_100.pth'
drop_path_rate = 0.1

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmpretrain.ConvNeXt',
        arch='tiny',
        drop_path_rate=drop_path_rate,
        init_cfg=dict(type='Pretrained', checkpoint=checkpoint)))
