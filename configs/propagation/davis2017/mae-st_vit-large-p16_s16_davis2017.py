_base_ = [
    '../../_base_/propagation/davis2017.py',
    '../../_base_/encoders/vit-large-p16.py',
]
model = dict(backbone=dict(network=_base_.encoder, output_stride=16))
# The pixels as MAE-ST has them.
test_dataloader = dict(
    dataset=dict(mean=(0.45, 0.45, 0.45), std=(0.225, 0.225, 0.225)))
