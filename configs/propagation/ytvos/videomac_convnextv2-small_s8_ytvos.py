_base_ = [
    '../../_base_/propagation/davis2017.py',
    '../../_base_/encoders/convnextv2-small.py',
]
model = dict(backbone=dict(network=_base_.encoder))
# Masks for the server of YouTube-VOS, which alone has the ground truth
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='YouTubeVOSDataset',
        data_root='data/ytvos/valid',
        size=_base_.short_side,
        multiple=_base_.multiple,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        round_resized=True,
        videos=None))
test_evaluator = None
test_cfg = None
