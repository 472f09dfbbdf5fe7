"""A split of the training videos, to tune on; the test videos are never seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

__all__ = ['link_split', 'split_videos']

EVERY = 4  # of so many scenes one is held out
FIRST = 2


def split_videos(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Divide videos into those to train on and those to validate on.

    Every fourth scene in alphabetical order is held out, beginning with the third.
    Videos whose names begin with the same word (``mallard-fly``, ``mallard-water``) may
    show the same, and stay on one side.

    Returns:
        Names to train on and names to validate on, disjoint, both sorted.

    Raises:
        ValueError: There are fewer than three scenes.
    """
    scenes = sorted({name.split('-')[0] for name in names})
    if len(scenes) <= FIRST:
        raise ValueError(
            f'{len(scenes)} scenes cannot be divided: at least {FIRST + 1} are needed'
        )
    held = set(scenes[FIRST::EVERY])
    sides: tuple[list[str], list[str]] = ([], [])
    for name in sorted(names):
        sides[name.split('-')[0] in held].append(name)
    return sides


def link_split(root: Path, folder: Path) -> tuple[Path, Path]:
    """Lay the two sides out by links: YouTube-VOS to train on, DAVIS to validate on.

    Frames of the validation videos are numbered anew, since DAVIS has no holes.

    Args:
        root: ``train`` of YouTube-VOS: ``JPEGImages`` and ``Annotations``.
        folder: Where to; what lies there is kept.

    Returns:
        Folders for ``YouTubeVOS`` and for ``DAVISDataset``.

    Raises:
        FileNotFoundError: There are no videos.
        ValueError: A validation video has frames without masks.
    """
    frames = root.resolve() / 'JPEGImages'
    if not frames.is_dir():
        raise FileNotFoundError(f"there is no folder '{frames}'")
    names = [path.name for path in frames.iterdir() if path.is_dir()]
    learn, validate = split_videos(names)
    train, val = folder / 'train', folder / 'val'
    for name in learn:
        _link(train / 'JPEGImages' / name, frames / name)
    for name in validate:
        masks = root.resolve() / 'Annotations' / name
        pictures = sorted((frames / name).glob('*.jpg'))
        for i, picture in enumerate(pictures):
            mask = masks / f'{picture.stem}.png'
            if not mask.is_file():
                raise ValueError(f"video '{name}' cannot validate: there is no '{mask}'")
            _link(val / 'JPEGImages' / '480p' / name / f'{i:05d}.jpg', picture)
            _link(val / 'Annotations' / '480p' / name / f'{i:05d}.png', mask)
    listing = val / 'ImageSets' / '2017' / 'val.txt'
    listing.parent.mkdir(parents=True, exist_ok=True)
    listing.write_text('\n'.join(validate) + '\n')
    return train, val


def _link(link: Path, goal: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(goal)
