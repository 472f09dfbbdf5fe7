_base_ = [
    '../../_base_/propagation/vip.py',
    '../../_base_/encoders/resnet50.py',
]
# The third stage without dilation, as CRW took it.
model = dict(
    backbone=dict(network=_base_.encoder, out_stage=2, dilate=False))
