"""What a data set has to tell for its conversion and its check."""

from __future__ import annotations

import argparse
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from videomac.datasets.propagation_base import PropagationDataset, video_files
from videomac.datasets.tree_check import BrokenTreeError, TreeCheck

from .items import Rule
from .members import Member, source_name
from .video_frames import FrameOptions

__all__ = ['Converter', 'check_frames', 'check_names', 'full_name', 'inspect_dataset']


D = TypeVar('D', bound=PropagationDataset)


class Converter(ABC):
    """From archives as published to the layout that the configs expect."""

    #: Name of the data set, for messages.
    title: str
    #: The target by default.
    default_out: str
    #: Whether tars inside a tar or a folder are opened.
    nested = False
    #: How many folders from the top make a part in the counts of the manifest.
    depth = 1

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add arguments of this data set to the command line."""
        return

    @abstractmethod
    def rule(self, members: Sequence[Member], args: argparse.Namespace) -> Rule:
        """Make the function that gives members their places.

        Args:
            members: All members, to read lists of labels from.
            args: The command line.
        """

    def frames(self, args: argparse.Namespace) -> FrameOptions | None:
        """How to store the frames of videos; None where files are copied."""
        return None

    def lists(self, args: argparse.Namespace) -> Mapping[str, str]:
        """Lists to write where the sources bring none, by path below the target."""
        return {}

    @abstractmethod
    def inspect(self, root: Path, check: TreeCheck, args: argparse.Namespace) -> str:
        """Compare a tree with the official lists.

        Args:
            root: The tree.
            check: Takes note of all offences.
            args: The command line; ``processes`` and ``content`` (decode everything).

        Returns:
            What is there, in a few words.
        """


def full_name(member: Member) -> str:
    """Name of a member below the name of its source.

    So ``JPEGImages/x/00000.jpg`` of ``train.zip`` is told from that of ``valid.zip``.
    """
    return f'{source_name(member.source).split(".")[0]}/{member.name}'


def check_names(
    what: str, expected: Iterable[str], found: Iterable[str], check: TreeCheck
) -> None:
    """Note names that are missing and names that should not be there.

    Args:
        what: What is named, with its place: ``"video in 'data/x/JPEGImages'"``.
        expected: All names of the official list.
        found: All names on disk.
        check: Takes note.
    """
    wanted, there = set(expected), set(found)
    for name in sorted(wanted - there):
        check.add(f'missing {what}: {name}')
    for name in sorted(there - wanted):
        check.add(f'unknown {what}: {name}')


def check_frames(
    folder: Path,
    expected: Mapping[str, Sequence[str]],
    check: TreeCheck,
    more: Callable[[str], bool] = lambda video: False,
) -> list[str]:
    """Compare the frames of videos with the official ones.

    Args:
        folder: Holds a folder for each video; other videos in it are let be.
        expected: Stems of the frames of each video, which are JPEGs.
        check: Notes videos and frames that are missing, and unknown frames.
        more: Whether a video may have other frames as well.

    Returns:
        The videos that have frames.
    """
    present = []
    for video, stems in expected.items():
        found = [path.name for path in video_files(folder / video, ('.jpg',))]
        if not found:
            check.add(f"missing video in '{folder}': {video}")
            continue
        present.append(video)
        names = [f'{stem}.jpg' for stem in stems]
        if more(video):
            names = [*set(names) | set(found)]
        check_names(f"frame in '{folder / video}'", names, found, check)
    return present


def inspect_dataset(make: Callable[[], D], check: TreeCheck) -> D | None:
    """Build a data set with its own checks and note what they find.

    Returns:
        The data set, None if it cannot be built.
    """
    try:
        return make()
    except BrokenTreeError as error:
        for offence in error.offences:
            check.add(offence)
    except (OSError, ValueError, ModuleNotFoundError) as error:
        check.add(str(error))
    return None
