"""Transforms of frames."""

from .frames import (
    FramesColorJitter,
    FramesRandomFlip,
    FramesRandomResizedCrop,
    FramesResizedCenterCrop,
    PackFrames,
)

__all__ = [
    'FramesColorJitter',
    'FramesRandomFlip',
    'FramesRandomResizedCrop',
    'FramesResizedCenterCrop',
    'PackFrames',
]
