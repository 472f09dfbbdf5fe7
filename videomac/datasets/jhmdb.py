"""JHMDB: the joints of a person."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from videomac.registry import DATASETS

from .propagation_base import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    PropagationDataset,
    VideoFolder,
    read_names,
    video_files,
)

__all__ = ['JHMDB_JOINTS', 'JHMDBDataset', 'read_joints']

JHMDB_JOINTS = (
    'neck',
    'belly',
    'face',
    'right shoulder',
    'left shoulder',
    'right hip',
    'left hip',
    'right elbow',
    'left elbow',
    'right knee',
    'left knee',
    'right wrist',
    'left wrist',
    'right ankle',
    'left ankle',
)


@DATASETS.register_module()
class JHMDBDataset(PropagationDataset):
    """JHMDB (Jhuang et al., "Towards Understanding Action Recognition", ICCV 2013).

    Expects ``Rename_Images/<action>/<video>/00001.png`` and
    ``joint_positions/<action>/<video>/joint_positions.mat``, and a list whose lines name
    the two for a video, in either order and below any prefix: the lists of UVC have the
    joints first, those of CRW the frames. Videos are named ``<action>/<video>``. One
    with more frames than joints, or the other way round, ends with the shorter.

    ``meta['points']`` of a video are its joints, float64 ``[T, 15, 2]``, x and y in
    pixels from 0, which may lie outside the picture.

    Args:
        data_root: Folder that holds ``Rename_Images`` and ``joint_positions``.
        list_file: The list of videos, seen from ``data_root``.
        size: Height and width of the network's input; see :func:`network_size`.
        multiple: See :func:`network_size`.
        mean: Mean of red, green and blue in [0, 1] to subtract.
        std: Deviation to divide by.
        videos: Names of the videos to use; None for all of the list.
        check: See :class:`PropagationDataset`.
        round_resized: See :func:`network_tensor`.

    Raises:
        ValueError: A line of the list is not understood; see also
            :class:`PropagationDataset`.
    """

    benchmark = 'JHMDB'
    evenly_numbered = True

    def __init__(
        self,
        data_root: str | os.PathLike[str],
        list_file: str = 'testlist_split1.txt',
        size: int | Sequence[int] | None = (320, 320),
        multiple: int = 1,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        videos: Sequence[str] | None = None,
        check: bool = True,
        round_resized: bool = False,
    ) -> None:
        self.list_file = list_file
        super().__init__(
            data_root, size, multiple, mean, std, videos, check, round_resized
        )

    @property
    def metainfo(self) -> dict[str, Any]:
        """Benchmark, videos and names of the joints."""
        return super().metainfo | {'joints': JHMDB_JOINTS}

    def list_videos(self) -> list[str]:
        """Read the list; tells the two columns apart by the suffix ``.mat``."""
        path = self.data_root / self.list_file
        lines = read_names(
            path,
            'Set test_dataloader.dataset.list_file to the list of the split, lines of '
            '"<joint_positions.mat> <folder of frames>"',
        )
        return [_video_of(line, path, number) for number, line in lines]

    def locate(self, name: str) -> VideoFolder:
        """Find the files of a video."""
        path = self.data_root / 'Rename_Images' / name
        frames = video_files(path, ('.png', '.jpg', '.jpeg'))
        joints = self.data_root / 'joint_positions' / name / 'joint_positions.mat'
        return VideoFolder(name, path, frames, (joints,))

    def load(self, folder: VideoFolder, ori_size: tuple[int, int]) -> dict[str, Any]:
        """Read the joints and cut the video to the shorter of the two lengths."""
        points = read_joints(folder.labels[0])[: len(folder.frames)]
        return {
            'frames': folder.frames[: len(points)],
            'points': np.ascontiguousarray(points[0].T),
            'meta': {'points': points},
        }


def _video_of(line: str, path: Path, number: int) -> str:
    """Name ``<action>/<video>`` of a line of the list."""
    columns = [Path(word) for word in line.split()]
    joints = [word for word in columns if word.suffix == '.mat']
    folders = [word for word in columns if word.suffix != '.mat']
    if len(joints) != 1 or len(folders) != 1:
        raise ValueError(
            f"line {number} of '{path}' must name a joint_positions.mat and a folder of "
            f'frames, in either order, got {line!r}'
        )
    name = '/'.join(folders[0].parts[-2:])
    if '/'.join(joints[0].parent.parts[-2:]) != name:
        raise ValueError(
            f"line {number} of '{path}' pairs the joints '{joints[0]}' with the frames "
            f"of another video, '{folders[0]}'"
        )
    return name


def read_joints(path: str | Path) -> NDArray[np.float64]:
    """Read the joints of a video.

    Args:
        path: ``joint_positions.mat``, whose ``pos_img`` is ``[2, 15, T]`` in pixels from
            1, as MATLAB counts.

    Returns:
        x and y in pixels from 0, ``[T, 15, 2]``.

    Raises:
        FileNotFoundError: There is no such file.
        ModuleNotFoundError: SciPy, which reads it, is not installed.
        ValueError: It is no such file.
    """
    try:
        from scipy.io import loadmat
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'reading the joints of JHMDB needs SciPy: pip install "scipy>=1.11"',
            name='scipy',
        ) from error
    if not Path(path).is_file():
        raise FileNotFoundError(f'{path} is missing')
    try:
        joints = loadmat(path)['pos_img']
        if np.iscomplexobj(joints):
            raise ValueError('pos_img is complex')
        joints = np.asarray(joints, np.float64)
    except Exception as error:  # SciPy raises whatever a damaged byte leads to
        raise ValueError(
            f"{path} cannot be read as MATLAB's joint_positions.mat ({error!r})"
        ) from error
    if joints.ndim == 2:  # loadmat drops the last dimension of a single frame
        joints = joints[..., None]
    sizes = (*joints.shape[:2], joints.ndim)
    if sizes != (2, len(JHMDB_JOINTS), 3) or not (
        joints.size and np.isfinite(joints).all()
    ):
        raise ValueError(
            f'{path}: pos_img must be [2, 15, T] without NaN, got {list(joints.shape)}'
        )
    return np.ascontiguousarray(joints.transpose(2, 1, 0)) - 1
