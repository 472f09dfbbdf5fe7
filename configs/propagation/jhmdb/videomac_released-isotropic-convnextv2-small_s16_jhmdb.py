_base_ = [
    '../../_base_/propagation/jhmdb.py',
    '../../_base_/encoders/released-isotropic-convnextv2-small.py',
]
# One resolution: cells of 16 pixels are its own.
model = dict(backbone=dict(network=_base_.encoder, output_stride=16))
