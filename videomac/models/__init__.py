"""Models: the algorithm, its networks and its losses."""

from ..sparse.backends import MaskedDense, PatchSparse
from .data_preprocessor import FramesDataPreprocessor
from .decoders import ConvNeXtDecoder
from .encoders import IsotropicConvNeXt, ReleasedConvNeXt, ReleasedResNet
from .linear_probe import LinearProbe
from .losses import MaskedReconstructionLoss, ReconstructionConsistencyLoss
from .masking import RandomPatchMasking
from .pretrained import StrictPretrainedInit
from .propagation import FeatureExtractor, LabelPropagator, TorchvisionBackbone
from .rivals import (
    RCMAE,
    CropMAE,
    CrossAttentionDecoder,
    FramesAsImages,
    MaskedViT,
    SiamMAE,
    TokenDecoder,
)
from .target import EMATarget, SharedTarget
from .videomac import VideoMAC

__all__ = [
    'RCMAE',
    'ConvNeXtDecoder',
    'CropMAE',
    'CrossAttentionDecoder',
    'EMATarget',
    'FeatureExtractor',
    'FramesAsImages',
    'FramesDataPreprocessor',
    'IsotropicConvNeXt',
    'LabelPropagator',
    'LinearProbe',
    'MaskedDense',
    'MaskedReconstructionLoss',
    'MaskedViT',
    'PatchSparse',
    'RandomPatchMasking',
    'ReconstructionConsistencyLoss',
    'ReleasedConvNeXt',
    'ReleasedResNet',
    'SharedTarget',
    'SiamMAE',
    'StrictPretrainedInit',
    'TokenDecoder',
    'TorchvisionBackbone',
    'VideoMAC',
]
