_base_ = [
    '../_base_/models/videomac.py',
    '../_base_/datasets/ytvos.py',
    '../_base_/schedules/adamw_coslr_100e.py',
    '../_base_/default_runtime.py',
]

# One resolution of 14x14 cells, so the masks have patches of 16 pixels
patch_size = 16
model = dict(
    encoder=dict(
        type='IsotropicConvNeXt',
        depth=18,
        dim=384,
        stem_patch_size=patch_size,
        batch_grn=True),
    masking=dict(patch_size=patch_size))

optim_wrapper = dict(type='AmpOptimWrapper', loss_scale='dynamic')
