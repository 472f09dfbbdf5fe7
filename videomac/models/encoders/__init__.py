"""Encoders that mmpretrain does not have; all are plain dense backbones as well."""

from .isotropic import IsotropicConvNeXt
from .released import ReleasedConvNeXt, ReleasedResNet

__all__ = ['IsotropicConvNeXt', 'ReleasedConvNeXt', 'ReleasedResNet']
