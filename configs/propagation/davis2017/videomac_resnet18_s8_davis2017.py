_base_ = [
    '../../_base_/propagation/davis2017.py',
    '../../_base_/encoders/resnet18.py',
]
model = dict(backbone=dict(network=_base_.encoder))
