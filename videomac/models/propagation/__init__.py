"""Label propagation: masks, parts and joints followed through videos by features."""

from .features import FeatureExtractor
from .labels import decode_ids, encode_ids, present_ids, resize_ids
from .pose import PoseCoder
from .propagate import Reference, propagate
from .propagator import LabelPropagator
from .settings import PRESETS, Copies, PropagationSettings, Window
from .torchvision_backbone import TorchvisionBackbone

__all__ = [
    'PRESETS',
    'Copies',
    'FeatureExtractor',
    'LabelPropagator',
    'PoseCoder',
    'PropagationSettings',
    'Reference',
    'TorchvisionBackbone',
    'Window',
    'decode_ids',
    'encode_ids',
    'present_ids',
    'propagate',
    'resize_ids',
]
