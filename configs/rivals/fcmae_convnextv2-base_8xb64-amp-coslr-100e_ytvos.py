_base_ = [
    '../_base_/models/videomac.py',
    '../_base_/datasets/ytvos.py',
    '../_base_/encoders/convnextv2-base.py',
    '../_base_/schedules/adamw_coslr_100e.py',
    '../_base_/default_runtime.py',
]

# FCMAE (ConvNeXt V2): VideoMAC of single frames, without target network
mask_ratio = 0.6

model = dict(
    encoder=_base_.encoder,
    masking=dict(ratio=mask_ratio),
    target=None,
    consistency_loss=None)
custom_hooks = []
train_dataloader = dict(dataset=dict(num_frames=1))

optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')
