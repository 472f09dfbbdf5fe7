"""Where frames come from."""

from .base import FrameSource, VideoRecord
from .diagnosis import UnreadableVideoError
from .encoded import EncodedFrames
from .frame_folders import FrameFolders
from .packed_frames import PackedFrames
from .tar_backend import TarBackend
from .video_files import VideoFiles
from .video_list import VideoList
from .youtube_vos import YouTubeVOS

__all__ = [
    'EncodedFrames',
    'FrameFolders',
    'FrameSource',
    'PackedFrames',
    'TarBackend',
    'UnreadableVideoError',
    'VideoFiles',
    'VideoList',
    'VideoRecord',
    'YouTubeVOS',
]
