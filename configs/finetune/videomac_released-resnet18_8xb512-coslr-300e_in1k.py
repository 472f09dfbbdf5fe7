_base_ = ['./videomac_resnet50_8xb512-coslr-300e_in1k.py']

# The topology of the released code, the recipe of ResNet-50
pretraining = 'videomac_released-resnet18_8xb64-coslr-100e_ytvos'
checkpoint = f'work_dirs/{pretraining}/epoch_100.pth'
drop_path_rate = 0.05

model = dict(
    backbone=dict(
        _delete_=True,
        type='ReleasedResNet',
        depth=18,
        drop_path_rate=drop_path_rate,
        init_cfg=dict(type='Pretrained', checkpoint=checkpoint)),
    head=dict(in_channels=512))
