_base_ = [
    '../_base_/models/videomac.py',
    '../_base_/datasets/ytvos.py',
    '../_base_/schedules/adamw_coslr_100e.py',
    '../_base_/default_runtime.py',
]

model = dict(encoder=dict(type='ReleasedResNet', depth=18))
