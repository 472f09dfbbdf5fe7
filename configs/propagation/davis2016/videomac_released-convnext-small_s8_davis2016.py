_base_ = [
    '../../_base_/propagation/davis2017.py',
    '../../_base_/encoders/released-convnext-small.py',
]
model = dict(backbone=dict(network=_base_.encoder))
test_dataloader = dict(dataset=dict(year=2016))
