_base_ = [
    '../../_base_/propagation/davis2017.py',
    '../../_base_/encoders/released-isotropic-convnextv2-small.py',
]
# One resolution: cells of 16 pixels are its own.
model = dict(backbone=dict(network=_base_.encoder, output_stride=16))
test_dataloader = dict(dataset=dict(year=2016))
