"""Trees of videos: each a file, or a folder of frames."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path

from videomac.datasets.sources.images import IMAGE_SUFFIXES, image_names, walk_files
from videomac.datasets.sources.video_files import VIDEO_SUFFIXES
from videomac.datasets.tree_check import TreeCheck, missing_numbers

from .pictures import Pictures, check_pictures
from .video_frames import FrameOptions

__all__ = [
    'add_video_arguments',
    'describe_videos',
    'find_videos',
    'frame_options',
    'inspect_videos',
    'is_video',
    'video_place',
]


def add_video_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what becomes of videos to a command line."""
    add = parser.add_argument
    add(
        '--keep-videos',
        action='store_true',
        help='copy the video files instead of decoding them to frames',
    )
    add('--short-side', type=int, help='reduce frames to this short side [as they are]')
    add('--quality', type=int, default=95, help='JPEG quality of frames [%(default)s]')


def frame_options(args: argparse.Namespace) -> FrameOptions | None:
    """How to store frames; None where videos are kept."""
    return None if args.keep_videos else FrameOptions(args.short_side, args.quality)


def is_video(name: str) -> bool:
    """Whether the suffix is that of a video file."""
    return name.lower().endswith(VIDEO_SUFFIXES)


def video_place(name: str, args: argparse.Namespace) -> str:
    """Path of a video in the target: without suffix where it becomes frames."""
    return name if args.keep_videos else os.path.splitext(name)[0]


def find_videos(root: Path) -> dict[str, Pictures]:
    """Find the video files and the folders of frames below a folder.

    Returns:
        The files of each by its path below ``root``, without the suffix of a file.
    """
    videos: dict[str, Pictures] = {}
    for folder, files in walk_files(os.fspath(root)):
        below = os.path.relpath(folder, root).replace(os.sep, '/')
        for file in sorted(file for file in files if is_video(file)):
            if not file.startswith('.'):
                name = os.path.splitext(os.path.join(below, file))[0]
                path = Path(folder, file)
                videos[os.path.normpath(name)] = Pictures((path,), video=True)
        frames = image_names(files, IMAGE_SUFFIXES)
        if frames:
            videos[below] = Pictures(tuple(Path(folder, frame) for frame in frames))
    return videos


def inspect_videos(
    videos: Mapping[str, Pictures], check: TreeCheck, args: argparse.Namespace
) -> None:
    """Check that videos open, and that frames open, are of one size and have no holes."""
    groups = []
    for group in videos.values():
        if not group.video:
            folder = group.paths[0].parent
            stems = [path.stem for path in group.paths]
            if all(stem.isdecimal() for stem in stems):
                for number in missing_numbers(stems):
                    check.add(f'{folder} has no frame {number}')
        groups.append(Pictures(group.paths, decode=bool(args.content), video=group.video))
    check_pictures(groups, args.processes, check, 'looking at the videos')


def describe_videos(videos: Mapping[str, Pictures]) -> str:
    """Count videos and frames in words."""
    folders = [group for group in videos.values() if not group.video]
    frames = sum(len(group.paths) for group in folders)
    files = len(videos) - len(folders)
    parts = [f'{len(folders)} folders of {frames} frames'] if folders else []
    parts += [f'{files} video files'] if files else []
    return ' and '.join(parts) or 'no video'
