"""Transforms of frames."""

from .crops import FramesGlobalLocalCrops
from .frames import (
    FramesColorJitter,
    FramesRandomFlip,
    FramesRandomResizedCrop,
    FramesResizedCenterCrop,
    PackFrames,
)

__all__ = [
    'FramesColorJitter',
    'FramesGlobalLocalCrops',
    'FramesRandomFlip',
    'FramesRandomResizedCrop',
    'FramesResizedCenterCrop',
    'PackFrames',
]
