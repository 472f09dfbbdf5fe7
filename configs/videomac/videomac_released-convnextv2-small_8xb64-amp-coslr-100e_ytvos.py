_base_ = [
    '../_base_/models/videomac.py',
    '../_base_/datasets/ytvos.py',
    '../_base_/schedules/adamw_coslr_100e.py',
    '../_base_/default_runtime.py',
]

model = dict(encoder=dict(
    type='ReleasedConvNeXt', arch='small', use_grn=True, batch_grn=True))

optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')
