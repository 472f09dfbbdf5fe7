# The default of the mini-benchmark: ConvNeXt V2-atto on two CPU cores. run.py sets
# `max_steps` by the budget and `seed`; every other row is its difference from this one.
_base_ = [
    '../../../configs/_base_/encoders/convnextv2-atto.py',
    '../../../configs/_base_/models/videomac.py',
    '../../../configs/_base_/datasets/ytvos.py',
    '../../../configs/_base_/schedules/adamw_coslr_100e.py',
    '../../../configs/_base_/default_runtime.py',
]

image_size = 224  # pixels
batch_size = 32
gap = 1  # frames of the data, which has every third frame of its videos
lr = 1.5e-3
max_steps = 1200
warmup_steps = 120
momentum = 0.996  # of the target network
seed = 0

# What the propagation takes from it; `network` is the encoder on whole frames.
features = dict(
    network=_base_.encoder,
    out_stage=[1, 2, 3],
    output_stride=8,
    dilate=True,
    final_norm=True)

model = dict(encoder=_base_.encoder)
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=1,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(gap=gap))

optim_wrapper = dict(optimizer=dict(lr=lr))
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1e-3,
        by_epoch=False,
        begin=0,
        end=warmup_steps),
    dict(
        type='CosineAnnealingLR',
        T_max=max_steps - warmup_steps,
        eta_min=0.0,
        by_epoch=False,
        begin=warmup_steps,
        end=max_steps),
]
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=max_steps)
shortcuts = None  # those of the base count epochs
auto_scale_lr = dict(enable=False, base_batch_size=batch_size)

custom_hooks = [
    dict(
        type='TargetEMAHook',
        momentum=momentum,
        end_momentum=1.0,
        schedule='cosine')
]
default_hooks = dict(
    logger=dict(interval=10),
    checkpoint=dict(interval=max_steps, by_epoch=False, max_keep_ckpts=-1))
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='Visualizer', vis_backends=vis_backends)
log_processor = dict(window_size=10, by_epoch=False)
randomness = dict(seed=seed)
