_base_ = [
    '../_base_/models/videomac.py',
    '../_base_/datasets/k400.py',
    '../_base_/schedules/adamw_coslr_100e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    encoder=dict(
        type='mmpretrain.ConvNeXt',
        arch='small',
        use_grn=True,
        layer_scale_init_value=0.0,
        gap_before_final_norm=False))

optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')
