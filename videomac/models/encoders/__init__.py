"""Encoders that mmpretrain does not have, and stock ones at other output strides.

All are plain dense backbones as well.
"""

from .isotropic import IsotropicConvNeXt
from .output_stride import build_with_output_stride, set_output_stride
from .released import ReleasedConvNeXt, ReleasedResNet

__all__ = [
    'IsotropicConvNeXt',
    'ReleasedConvNeXt',
    'ReleasedResNet',
    'build_with_output_stride',
    'set_output_stride',
]
