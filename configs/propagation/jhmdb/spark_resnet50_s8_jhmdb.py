_base_ = [
    '../../_base_/propagation/jhmdb.py',
    '../../_base_/encoders/resnet50.py',
]
model = dict(backbone=dict(network=_base_.encoder))
