_base_ = [
    '../_base_/models/videomac.py',
    '../_base_/datasets/ytvos.py',
    '../_base_/encoders/convnextv2-base.py',
    '../_base_/schedules/adamw_coslr_100e.py',
    '../_base_/default_runtime.py',
]

# FCMAE (ConvNeXt V2): VideoMAC of single frames, without target network
mask_ratio = 0.6
base_lr = 1.5e-4  # for each 256 samples

model = dict(
    encoder=_base_.encoder,
    masking=dict(ratio=mask_ratio),
    target=None,
    consistency_loss=None)
custom_hooks = []
train_dataloader = dict(dataset=dict(num_frames=1))

optim_wrapper = dict(
    type='AmpOptimWrapper',
    loss_scale='dynamic',
    optimizer=dict(lr=base_lr * 512 / 256))
