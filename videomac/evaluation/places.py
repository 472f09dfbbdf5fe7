"""Where predictions lie, and what must not lie there."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

from videomac.datasets.propagation_base import PropagationDataset
from videomac.datasets.propagation_sample import PropagationVideo

__all__ = ['MASKS', 'POSES', 'check_apart', 'check_place', 'prediction_files']

#: Names of the files of a video's predictions: of its masks, and of its joints.
MASKS = '*.png'
POSES = 'poses.npz'


def prediction_files(video: PropagationVideo) -> str:
    """Pattern of the names of a video's predictions: of its masks, or of its joints."""
    return MASKS if video.points is None else POSES


def check_place(out_dir: Path, video: str, files: str) -> None:
    """Check that to write a video would replace nothing but predictions.

    Args:
        out_dir: Folder of the predictions.
        video: Name of the video.
        files: Pattern of the predictions' names, see :func:`prediction_files`.

    Raises:
        ValueError: There is something else in their place.
    """
    folder = out_dir / video
    for path in folder.iterdir() if folder.is_dir() else ():
        # Hidden files are the file manager's.
        if not (fnmatch(path.name, files) or path.name.startswith('.')):
            raise ValueError(
                f"'{folder}' is the place of the predictions of video '{video}', and "
                f"holds '{path.name}', which is none: write to another folder, or move "
                'it away'
            )


def check_apart(out: Path, dataset: PropagationDataset) -> None:
    """Check that predictions take no place of frames or labels, whatever their names.

    Args:
        out: Folder of the predictions.
        dataset: The videos; those that are not asked for count too.

    Raises:
        ValueError: They would.
    """
    folders = [dataset.locate(name) for name in dataset.list_videos()]
    labels = {path.parent for each in folders for path in each.labels}
    data = {path.resolve() for path in labels.union(each.path for each in folders)}
    above = {parent for path in data for parent in path.parents}
    for folder in folders:
        place = (out / folder.name).resolve()
        if place in above or data & {place, *place.parents}:
            raise ValueError(
                f"'{place}' is the place of the predictions of video '{folder.name}', "
                'and one of frames or labels in the data set: write to another folder'
            )
