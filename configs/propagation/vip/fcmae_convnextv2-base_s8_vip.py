_base_ = [
    '../../_base_/propagation/vip.py',
    '../../_base_/encoders/convnextv2-base.py',
]
model = dict(backbone=dict(network=_base_.encoder))
