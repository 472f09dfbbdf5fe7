_base_ = [
    '../../_base_/propagation/vip.py',
    '../../_base_/encoders/convnextv2-small.py',
]
model = dict(backbone=dict(network=_base_.encoder))
# AP^r of the instances of parts
test_dataloader = dict(dataset=dict(labels='instance'))
test_evaluator = dict(type='VIPInstanceAP')
