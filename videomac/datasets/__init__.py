"""Data sets, the sources they read from, and transforms."""

from .collate import repeated_collate
from .davis import DAVISDataset
from .frame_pairs import FramePairDataset
from .jhmdb import JHMDBDataset
from .label_maps import LabelMapError
from .propagation_sample import PropagationVideo
from .random_gap_pairs import RandomGapPairDataset
from .sources import (
    EncodedFrames,
    FrameFolders,
    FrameSource,
    PackedFrames,
    UnreadableVideoError,
    VideoFiles,
    VideoList,
    VideoRecord,
    YouTubeVOS,
)
from .transforms import (
    FramesColorJitter,
    FramesGlobalLocalCrops,
    FramesRandomFlip,
    FramesRandomResizedCrop,
    FramesResizedCenterCrop,
    PackFrames,
)
from .tree_check import BrokenTreeError
from .vip import VIPDataset
from .youtube_vos_eval import YouTubeVOSDataset

__all__ = [
    'BrokenTreeError',
    'DAVISDataset',
    'EncodedFrames',
    'FrameFolders',
    'FramePairDataset',
    'FrameSource',
    'FramesColorJitter',
    'FramesGlobalLocalCrops',
    'FramesRandomFlip',
    'FramesRandomResizedCrop',
    'FramesResizedCenterCrop',
    'JHMDBDataset',
    'LabelMapError',
    'PackFrames',
    'PackedFrames',
    'PropagationVideo',
    'RandomGapPairDataset',
    'UnreadableVideoError',
    'VIPDataset',
    'VideoFiles',
    'VideoList',
    'VideoRecord',
    'YouTubeVOS',
    'YouTubeVOSDataset',
    'repeated_collate',
]
