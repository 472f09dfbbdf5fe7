_base_ = [
    '../_base_/models/videomac.py',
    '../_base_/datasets/ytvos.py',
    '../_base_/schedules/adamw_coslr_100e.py',
    '../_base_/default_runtime.py',
]

model = dict(encoder=dict(type='ReleasedConvNeXt', arch='tiny', use_grn=False))

# batch 256: the learning rate follows
batch_size = 32  # per GPU
base_batch_size = 256
lr = 1e-3
train_dataloader = dict(batch_size=batch_size)
optim_wrapper = dict(
    type='AmpOptimWrapper', loss_scale='dynamic', optimizer=dict(lr=lr))
auto_scale_lr = dict(base_batch_size=base_batch_size)
