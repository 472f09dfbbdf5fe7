"""What the data sets of label propagation have in common."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from logging import INFO
from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from PIL import Image
from torch.utils.data import Dataset

from ..utils.arguments import check_flags
from .label_maps import read_label_map
from .lists import check_name, read_lines
from .network_frames import NetworkFrames, network_size
from .propagation_sample import PropagationVideo
from .tree_check import TreeCheck

__all__ = [
    'PropagationDataset',
    'VideoFolder',
    'check_label_maps',
    'read_names',
    'video_files',
]

# Of RGB in [0, 1]. DINO's evaluation divides red by 0.228; the others by 0.229.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class VideoFolder:
    """Where the parts of one video lie.

    Args:
        name: Name of the video.
        path: Folder of its frames, whether it exists or not.
        frames: Files of the frames in order of time.
        labels: File of the annotation of each frame, whether it exists or not; or one
            file for all frames.
    """

    name: str
    path: Path
    frames: tuple[Path, ...]
    labels: tuple[Path, ...]


class PropagationDataset(Dataset[Any], ABC):
    """Whole videos, one a sample, each with the labels of its first frame.

    mmengine's default sampler thus deals out whole videos to the processes. A sample is
    ``dict(inputs=PropagationVideo(...))``.

    Args:
        data_root: Folder of the data set.
        size: Size of the network's input, see :func:`network_size`.
        multiple: See :func:`network_size`.
        mean: Mean of red, green and blue in [0, 1] to subtract.
        std: Deviation to divide by.
        videos: Names of the videos to use, or the name of one; None for all of the list.
            A video that is named more than once counts once, here and in the list.
        check: Look through the files of all videos when the data set is made: that they
            are there, can be read and agree in size. Costs about a millisecond a frame.
        round_resized: See :func:`network_tensor`.

    Raises:
        FileNotFoundError: The list of videos is not there.
        ValueError: It is empty, ``videos`` names one that it does not have, a name
            leads out of the folder, or an argument is out of its range.
        BrokenTreeError: Files are missing, unreadable or contradict each other.
    """

    #: What the metrics call the data set.
    benchmark: str
    #: Whether a hole in the numbers of the frames is a missing frame. It is none in
    #: VIP, where two official videos have one, and in YouTube-VOS.
    evenly_numbered = False

    def __init__(
        self,
        data_root: str | os.PathLike[str],
        size: int | Sequence[int] | None,
        multiple: int = 1,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        videos: Sequence[str] | None = None,
        check: bool = True,
        round_resized: bool = True,
    ) -> None:
        check_flags(check=check, round_resized=round_resized)
        network_size((1, 1), size, multiple)  # raises now rather than at the first video
        self.data_root = Path(data_root)
        self.size = size if size is None or isinstance(size, int) else tuple(size)
        self.multiple = multiple
        self.mean = tuple(mean)
        self.std = tuple(std)
        self.round_resized = round_resized
        names = self.list_videos()
        for name in names:
            check_name(name, f'the list of {self.title}')
        if videos is not None:
            videos = [videos] if isinstance(videos, str) else videos
            unknown = [name for name in videos if name not in set(names)]
            if unknown:
                raise ValueError(
                    f'{len(unknown)} of the videos asked for are not in the list of '
                    f'{self.title} (first: {", ".join(unknown[:5])})'
                )
            names = list(videos)
        if not names:
            raise ValueError(f'the list of {self.title} names no video')
        self.folders = [self.locate(name) for name in dict.fromkeys(names)]
        if check:
            self.validate()
        frames = sum(len(folder.frames) for folder in self.folders)
        print_log(f'{self.title}: {len(self)} videos, {frames} frames', 'current', INFO)

    @property
    def title(self) -> str:
        """Name and place of the data set, for messages."""
        return f"{self.benchmark} in '{self.data_root}'"

    @property
    def metainfo(self) -> dict[str, Any]:
        """Name of the benchmark and of its videos, in order."""
        names = [folder.name for folder in self.folders]
        return {'benchmark': self.benchmark, 'videos': names}

    @abstractmethod
    def list_videos(self) -> list[str]:
        """Read the names of the videos, in the order of the benchmark's list."""

    @abstractmethod
    def locate(self, name: str) -> VideoFolder:
        """Find the files of a video; those that are missing are found out later."""

    @abstractmethod
    def load(self, folder: VideoFolder, ori_size: tuple[int, int]) -> dict[str, Any]:
        """Read what a :class:`PropagationVideo` needs beside its frames."""

    def check_labels(
        self, folder: VideoFolder, size: tuple[int, int], check: TreeCheck
    ) -> None:
        """Check the annotations of a video whose frames have the size (H, W)."""

    def validate(self) -> None:
        """Look through all files.

        Raises:
            BrokenTreeError: One error for all offences: lists the first ones and says
                how many there are.
        """
        check = TreeCheck(self.title)
        for index, folder in enumerate(self.folders):
            before = len(check.offences)
            self._check_files(folder, check)
            if len(check.offences) > before:
                continue
            try:  # all that is there is read now, not when this video's turn comes
                self[index]
            except (OSError, ValueError) as error:
                check.add(str(error))
        check.finish(
            'Unpack the data set anew, or name the videos to use with dataset.videos'
        )

    def _check_files(self, folder: VideoFolder, check: TreeCheck) -> None:
        """Look through the files of one video."""
        if not folder.frames:
            check.add(f"video '{folder.name}' has no frames in {folder.path}")
            return
        size = None
        for path in folder.frames:
            found = check.frame(path, size)
            size = size or found
        counts = Counter(path.stem for path in folder.frames)
        for stem, count in counts.items():
            if count > 1:
                check.add(
                    f'{folder.path} has {count} frames named {stem}, which differ in '
                    'their suffixes; keep one'
                )
        if self.evenly_numbered:
            check.numbering(folder.path, [path.stem for path in folder.frames])
        if size is not None:
            self.check_labels(folder, size, check)

    def __len__(self) -> int:
        return len(self.folders)

    def __getitem__(self, index: int) -> dict[str, PropagationVideo]:
        """Make the sample of a video; no frame is decoded yet.

        Raises:
            LabelMapError: Its first annotation cannot be read.
        """
        folder = self.folders[index]
        with Image.open(folder.frames[0]) as image:
            ori_size = image.height, image.width
        fields = self.load(folder, ori_size)
        frames = fields.pop('frames', folder.frames)
        size = network_size(ori_size, self.size, self.multiple)
        inputs = NetworkFrames(frames, size, self.mean, self.std, self.round_resized)
        video = PropagationVideo(folder.name, frames, inputs, ori_size, **fields)
        return {'inputs': video}


def check_label_maps(
    labels: Sequence[Path],
    known: Sequence[Path],
    size: tuple[int, int],
    check: TreeCheck,
    read: Callable[[Path], object] = read_label_map,
) -> None:
    """Check that label maps are there, of the frames' size, and of a frame each.

    Args:
        labels: Those that must be there.
        known: Those that may be: one for each frame of the video, in one folder.
        size: Height and width of the frames.
        check: Takes note of the offences.
        read: See :meth:`TreeCheck.label_map`.
    """
    for path in labels:
        check.label_map(path, size, read)
    for path in video_files(known[0].parent, ('.png',)):
        if path not in known:
            check.add(f'{path} annotates a frame that is not there')


def read_names(path: Path, advice: str) -> list[tuple[int, str]]:
    """Read a list of videos, one a line: numbers of the lines and their text.

    Raises:
        FileNotFoundError: There is no such file; the message ends in ``advice``.
        ValueError: It is not UTF-8 text.
    """
    try:
        return read_lines(path)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"there is no list of videos '{path}'. {advice}"
        ) from None


def video_files(folder: Path, suffixes: Sequence[str]) -> tuple[Path, ...]:
    """List the files of a folder with one of the suffixes, sorted by name.

    Hidden files are passed over; a folder that does not exist has none.
    """
    if not folder.is_dir():
        return ()
    found = (
        path
        for path in folder.iterdir()
        if path.suffix.lower() in suffixes and not path.name.startswith('.')
    )
    return tuple(sorted(found, key=_by_number_or_name))


def _by_number_or_name(path: Path) -> tuple[int, str]:
    """Order numbers by value, whatever their width, and names by their letters."""
    return (int(path.stem), path.name) if path.stem.isdecimal() else (-1, path.name)
