"""Data sets, the sources they read from, and transforms."""

from .frame_pairs import FramePairDataset
from .sources import (
    FrameFolders,
    FrameSource,
    UnreadableVideoError,
    VideoFiles,
    VideoList,
    VideoRecord,
    YouTubeVOS,
)
from .transforms import (
    FramesColorJitter,
    FramesRandomFlip,
    FramesRandomResizedCrop,
    FramesResizedCenterCrop,
    PackFrames,
)

__all__ = [
    'FrameFolders',
    'FramePairDataset',
    'FrameSource',
    'FramesColorJitter',
    'FramesRandomFlip',
    'FramesRandomResizedCrop',
    'FramesResizedCenterCrop',
    'PackFrames',
    'UnreadableVideoError',
    'VideoFiles',
    'VideoList',
    'VideoRecord',
    'YouTubeVOS',
]
