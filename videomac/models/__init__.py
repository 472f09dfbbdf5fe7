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
from .target import EMATarget
from .videomac import VideoMAC

__all__ = [
    'ConvNeXtDecoder',
    'EMATarget',
    'FeatureExtractor',
    'FramesDataPreprocessor',
    'IsotropicConvNeXt',
    'LabelPropagator',
    'LinearProbe',
    'MaskedDense',
    'MaskedReconstructionLoss',
    'PatchSparse',
    'RandomPatchMasking',
    'ReconstructionConsistencyLoss',
    'ReleasedConvNeXt',
    'ReleasedResNet',
    'StrictPretrainedInit',
    'TorchvisionBackbone',
    'VideoMAC',
]
