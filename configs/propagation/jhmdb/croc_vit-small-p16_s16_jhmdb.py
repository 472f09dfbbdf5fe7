_base_ = [
    '../../_base_/propagation/jhmdb.py',
    '../../_base_/encoders/vit-small-p16.py',
]
model = dict(backbone=dict(network=_base_.encoder, output_stride=16))
