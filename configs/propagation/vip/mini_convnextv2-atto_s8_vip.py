_base_ = [
    '../../_base_/propagation/vip.py',
    '../../_base_/encoders/convnextv2-atto.py',
]
model = dict(backbone=dict(network=_base_.encoder, out_stage=[1, 2, 3]))
