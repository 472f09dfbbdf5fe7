"""ResNets of torchvision, timm, MoCo (v1 to v3), DenseCL and mmpretrain: one layout.

They differ only in what the keys begin with and in the heads.
"""

from __future__ import annotations

from .mapping import Rule

__all__ = ['HEADS', 'RESNET']

_NORM = r'(weight|bias|running_mean|running_var|num_batches_tracked)'

RESNET = (
    Rule(r'conv1\.weight', 'conv1.weight'),
    Rule(rf'bn1\.{_NORM}', r'bn1.\1'),
    Rule(r'layer([1-4])\.(\d+)\.conv([123])\.weight', r'layer\1.\2.conv\3.weight'),
    Rule(rf'layer([1-4])\.(\d+)\.bn([123])\.{_NORM}', r'layer\1.\2.bn\3.\4'),
    Rule(r'layer([1-4])\.0\.downsample\.0\.weight', r'layer\1.0.downsample.0.weight'),
    Rule(rf'layer([1-4])\.0\.downsample\.1\.{_NORM}', r'layer\1.0.downsample.1.\2'),
)

HEADS = (
    (r'fc\.(weight|bias)', 'classification head'),
    (r'head\..*', 'head of the pre-training or classification'),
    (r'(neck|decode_head|roi_head|rpn_head|auxiliary_head|bbox_head)\..*', 'head'),
    (r'(module\.)?encoder_q\.(0\.)?fc\..*', 'projection of the pre-training'),
    (r'encoder_q\..*', 'the query encoder again (backbone is the same) and its neck'),
    (r'(module\.)?encoder_k\..*', 'key encoder of the pre-training'),
    (r'(module\.)?queue2?(_ptr)?', 'queue of the pre-training'),
)
