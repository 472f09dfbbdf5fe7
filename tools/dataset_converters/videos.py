#!/usr/bin/env python
"""Any videos, from archives, folders or files: as frames, or as they are.

videos.py my_clips holiday.mp4 --short-side 256 --out data/my_frames
videos.py --check --out data/my_frames
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from videomac.datasets.preparation import (
    Converter,
    FrameOptions,
    Member,
    Rule,
    make_parser,
    run_command,
)
from videomac.datasets.preparation.video_trees import (
    add_video_arguments,
    describe_videos,
    find_videos,
    frame_options,
    inspect_videos,
    is_video,
    video_place,
)
from videomac.datasets.tree_check import TreeCheck


class Videos(Converter):
    """Each video in the folder that it had."""

    title = 'videos'
    default_out = 'data/videos'
    depth = 0

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what becomes of the videos."""
        add_video_arguments(parser)

    def rule(self, members: Sequence[Member], args: argparse.Namespace) -> Rule:
        """Keep the paths below the source."""

        def place(member: Member) -> str | None:
            return video_place(member.name, args) if is_video(member.name) else None

        return place

    def frames(self, args: argparse.Namespace) -> FrameOptions | None:
        """As the command line says."""
        return frame_options(args)

    def inspect(self, root: Path, check: TreeCheck, args: argparse.Namespace) -> str:
        """Open all videos and frames."""
        videos = find_videos(root)
        if not videos:
            check.add('there is no video')
        inspect_videos(videos, check, args)
        return describe_videos(videos)


def build_parser() -> argparse.ArgumentParser:
    """Make the parser."""
    return make_parser(Videos(), __doc__)


def main(argv: Sequence[str] | None = None) -> None:
    """Convert or check."""
    run_command(Videos(), build_parser(), argv)


if __name__ == '__main__':
    main()
