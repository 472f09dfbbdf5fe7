"""From archives as published to the trees that the data sets read, and their checks."""

from .archives import Limits, Scan, scan
from .command import make_parser, run_command
from .conversion import check_tree, convert
from .converter import (
    Converter,
    check_frames,
    check_names,
    full_name,
    inspect_dataset,
)
from .items import Rule
from .members import Member, read_member
from .names import UnsafeNameError, safe_name
from .pictures import Pictures, check_pictures
from .video_frames import FrameOptions

__all__ = [
    'Converter',
    'FrameOptions',
    'Limits',
    'Member',
    'Pictures',
    'Rule',
    'Scan',
    'UnsafeNameError',
    'check_frames',
    'check_names',
    'check_pictures',
    'check_tree',
    'convert',
    'full_name',
    'inspect_dataset',
    'make_parser',
    'read_member',
    'run_command',
    'safe_name',
    'scan',
]
