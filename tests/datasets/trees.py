"""Small data sets in the published layouts, drawn: shapes that move over noise."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from videomac.datasets import PropagationVideo
from videomac.datasets.label_maps import write_label_map
from videomac.datasets.propagation_base import PropagationDataset

__all__ = [
    'make_davis',
    'make_jhmdb',
    'make_vip',
    'make_youtube_vos',
    'moving_squares',
    'video_of',
    'write_frame',
]

Ids = NDArray[np.uint8]


def video_of(dataset: PropagationDataset, index: int = 0) -> PropagationVideo:
    """The video of a sample."""
    video = dataset[index]['inputs']
    assert isinstance(video, PropagationVideo)
    return video


def moving_squares(
    frames: int, size: tuple[int, int] = (48, 64), objects: int = 2
) -> list[Ids]:
    """Id maps in which square k starts in its own place and moves right by 2 a frame."""
    height, width = size
    side = min(height, width) // 4
    maps = []
    for t in range(frames):
        ids = np.zeros(size, np.uint8)
        for k in range(1, objects + 1):
            top = 2 + (k - 1) * (height - side - 4) // max(1, objects - 1)
            left = 2 + (2 * t + 5 * k) % (width - side - 4)
            ids[top : top + side, left : left + side] = k
        maps.append(ids)
    return maps


def write_frame(path: Path, ids: Ids, seed: int = 0) -> None:
    """Write a picture in which each id has its own colour, on noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    colours = np.random.default_rng(1).integers(60, 256, (256, 3))
    picture = colours[ids] - rng.integers(0, 20, (*ids.shape, 3))
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(path, quality=95)


def _write_pair(image: Path, label: Path, ids: Ids, seed: int) -> None:
    write_frame(image, ids, seed)
    label.parent.mkdir(parents=True, exist_ok=True)
    write_label_map(label, ids)


def make_davis(
    root: Path, videos: Mapping[str, Sequence[Ids]], year: int = 2017, split: str = 'val'
) -> Path:
    """Write a DAVIS tree of the given annotations."""
    for seed, (name, maps) in enumerate(videos.items()):
        for t, ids in enumerate(maps):
            image = root / 'JPEGImages' / '480p' / name / f'{t:05d}.jpg'
            label = root / 'Annotations' / '480p' / name / f'{t:05d}.png'
            _write_pair(image, label, ids, 100 * seed + t)
    listing = root / 'ImageSets' / str(year) / f'{split}.txt'
    listing.parent.mkdir(parents=True, exist_ok=True)
    listing.write_text('\n'.join(videos) + '\n')
    return root


def make_vip(
    root: Path,
    videos: Mapping[str, Sequence[Ids]],
    instances: bool = False,
    mirror: bool = False,
) -> Path:
    """Write a VIP tree; with ``instances`` id i is also an instance of class i."""
    kinds = ['Category_ids', 'Instance_ids'] if instances else ['Category_ids']
    for seed, (name, maps) in enumerate(videos.items()):
        for t, ids in enumerate(maps):
            stem = f'{1 + 25 * t:012d}'
            write_frame(root / 'Images' / name / f'{stem}.jpg', ids, 100 * seed + t)
            for kind in kinds:
                folder = root / ('' if mirror else 'Annotations') / kind / name
                folder.mkdir(parents=True, exist_ok=True)
                Image.fromarray(ids).save(folder / f'{stem}.png')  # grey, as in VIP
                if kind == 'Instance_ids':
                    lines = [f'{i} {i}' for i in np.unique(ids) if i]
                    (folder / f'{stem}.txt').write_text('\n'.join(lines) + '\n')
    (root / 'lists').mkdir(parents=True)
    (root / 'lists' / 'val_videos.txt').write_text('\n'.join(videos) + '\n')
    return root


def make_jhmdb(
    root: Path,
    videos: Mapping[str, NDArray[np.float64]],
    frames: int | None = None,
    size: tuple[int, int] = (48, 64),
    frames_first: bool = False,
    prefix: str = 'datasets/jhmdb/',
) -> Path:
    """Write a JHMDB tree of joints ``[T, 15, 2]`` in pixels from 0.

    ``frames`` is the number of pictures where it is not that of the joints.
    """
    savemat = pytest.importorskip('scipy.io').savemat
    lines = []
    for seed, (name, points) in enumerate(videos.items()):
        ids = moving_squares(len(points) if frames is None else frames, size, 1)
        for t, picture in enumerate(ids, 1):
            path = root / 'Rename_Images' / name / f'{t:05d}.png'
            write_frame(path, picture, 100 * seed + t)
        joints = root / 'joint_positions' / name / 'joint_positions.mat'
        joints.parent.mkdir(parents=True)
        savemat(joints, {'pos_img': points.transpose(2, 1, 0) + 1})
        columns = [
            f'{prefix}joint_positions/{name}/joint_positions.mat',
            f'{prefix}Rename_Images/{name}',
        ]
        lines.append(' '.join(columns[::-1] if frames_first else columns))
    (root / 'testlist_split1.txt').write_text('\n'.join(lines) + '\n')
    return root


def make_youtube_vos(
    root: Path, videos: Mapping[str, Sequence[Ids]], asked_from: Mapping[str, int]
) -> Path:
    """Write a valid split: frames in steps of 5, annotated where an object enters.

    ``asked_from`` says from which frame on the server asks for masks.
    """
    meta: dict[str, object] = {}
    for seed, (name, maps) in enumerate(videos.items()):
        seen = {0}
        objects: dict[str, object] = {}
        for t, ids in enumerate(maps):
            stem = f'{5 * t:05d}'
            write_frame(root / 'JPEGImages' / name / f'{stem}.jpg', ids, 100 * seed + t)
            new = set(np.unique(ids).tolist()) - seen
            if new:
                folder = root / 'Annotations' / name
                folder.mkdir(parents=True, exist_ok=True)
                write_label_map(folder / f'{stem}.png', ids)
            for k in new:
                first = max(t, asked_from.get(name, 0))
                stems = [f'{5 * i:05d}' for i in range(first, len(maps))]
                objects[str(k)] = {'category': 'x', 'frames': stems}
            seen |= new
        meta[name] = {'objects': objects}
    (root / 'meta.json').write_text(json.dumps({'videos': meta}))
    return root
