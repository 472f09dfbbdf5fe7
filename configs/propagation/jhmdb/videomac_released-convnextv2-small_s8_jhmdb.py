_base_ = [
    '../../_base_/propagation/jhmdb.py',
    '../../_base_/encoders/released-convnextv2-small.py',
]
model = dict(backbone=dict(network=_base_.encoder))
