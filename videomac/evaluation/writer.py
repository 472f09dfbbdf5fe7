"""Predictions on disk: what a killed run has finished, a later one need not do again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from logging import WARNING
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import print_log
from PIL import Image

from videomac.datasets.label_maps import LabelFiles, LabelMapError, write_label_map
from videomac.datasets.propagation_sample import PropagationVideo

from .places import MASKS, POSES, check_place, prediction_files
from .tables import write_text

__all__ = ['RUN', 'PredictionWriter', 'partial_folder', 'restart']

RUN = 'run.json'
# Where predictions may lie: videos are named <video> or <action>/<video>.
PLACES = tuple(f'{video}/{files}' for video in ('*', '*/*') for files in (MASKS, POSES))
# What numpy raises on broken files.
BROKEN = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


class PredictionWriter:
    """Writes and reads the predictions of whole videos.

    Masks become ``<out_dir>/<video>/<frame>.png``, palette PNGs of the size of the
    annotation: what the official DAVIS toolkit and the CodaLab servers read. Joints
    become ``<out_dir>/<video>/poses.npz`` with ``points`` and ``visible``.

    A video's folder is filled under another name and then moved to its place, so that
    it is there as a whole or not at all, whenever the process is killed. Processes may
    share a writer's folder if they write different videos. Folders that hold anything
    but predictions are never replaced.

    Args:
        out_dir: Folder of the predictions; made if it does not exist.
        run: What the predictions depend on, such as config and checkpoint, as JSON
            has it. It is kept beside them, and predictions of another run, or of an
            unknown one, are refused rather than mixed in. None to keep and compare
            nothing.

    Raises:
        ValueError: ``out_dir`` has predictions of another run.
    """

    def __init__(
        self, out_dir: str | os.PathLike[str], run: Mapping[str, Any] | None = None
    ) -> None:
        self.out_dir = Path(out_dir)
        self.out_dir.mkdir(parents=True, exist_ok=True)
        if run is not None:
            self._claim(dict(run))

    def _claim(self, run: dict[str, Any]) -> None:
        """Compare the run with that of the predictions already there, or note it."""
        # Looked for first: processes that share the folder note the run, then predict.
        foreign = _any_prediction(self.out_dir)
        wanted = json.loads(json.dumps(run))
        try:
            noted = json.loads((self.out_dir / RUN).read_text(encoding='utf-8'))
        except FileNotFoundError:
            if foreign is not None:
                raise ValueError(
                    f"'{self.out_dir}' holds predictions of an unknown run: there is "
                    f"'{foreign}' but no {RUN}. Remove them, or write to another folder"
                ) from None
            _note(self.out_dir, run)
            return
        except ValueError:
            noted = None
        if noted == wanted:
            return
        raise ValueError(
            f"'{self.out_dir}' holds predictions of another run "
            f'({_difference(noted, wanted)}). Remove it, or write to another folder'
        )

    def folder(self, video: PropagationVideo) -> Path:
        """Folder of the predictions of a video."""
        return self.out_dir / video.video

    def is_done(self, video: PropagationVideo) -> bool:
        """Whether all predictions of a video are there and whole; warns of broken ones.

        Disks that were full, and machines that lost their power, leave files cut short.
        """
        paths = self._paths(video)
        if not all(path.is_file() for path in paths):
            return False
        for path in paths:
            try:
                _read_joints(path) if path.name == POSES else _verify_picture(path)
            except LabelMapError as error:
                print_log(
                    f"{error}; the predictions of video '{video.video}' do not count",
                    'current',
                    WARNING,
                )
                return False
        return True

    def _paths(self, video: PropagationVideo) -> list[Path]:
        """Files of the predictions of a video."""
        names = [POSES] if video.points is not None else _mask_names(video).values()
        return [self.folder(video) / name for name in names]

    def missing(self, videos: Iterable[PropagationVideo]) -> list[str]:
        """Names of the videos whose predictions are not all there."""
        return [video.video for video in videos if not self.is_done(video)]

    def write(self, video: PropagationVideo, prediction: Mapping[str, Any]) -> None:
        """Write the predictions of a video, in the place of older ones.

        Args:
            video: The video.
            prediction: ``masks``, uint8 ids ``[H0, W0]`` of all frames, the first the
                annotation; or ``points`` ``[T, J, 2]`` and ``visible`` ``[T, J]``.

        Raises:
            ValueError: The prediction is not of the video's length or size, or its
                folder holds something else.
        """
        check_place(self.out_dir, video.video, prediction_files(video))
        final = self.folder(video)
        partial = partial_folder(self.out_dir, video.video)
        shutil.rmtree(partial, ignore_errors=True)  # what a killed process left
        partial.mkdir()
        if video.points is None:
            self._write_masks(partial, video, prediction['masks'])
        else:
            points = np.asarray(prediction['points'])
            visible = np.asarray(prediction['visible'], np.bool_)
            _check_length(video, len(points))
            np.savez(partial / POSES, points=points, visible=visible)
        shutil.rmtree(final, ignore_errors=True)
        final.parent.mkdir(parents=True, exist_ok=True)
        os.replace(partial, final)

    def _write_masks(self, folder: Path, video: PropagationVideo, masks: Any) -> None:
        """Write the masks of the frames that are asked for."""
        _check_length(video, len(masks))
        for t, name in _mask_names(video).items():
            mask = np.asarray(masks[t])
            if mask.shape != video.ori_size:
                raise ValueError(
                    f"video '{video.video}', frame {t}: the mask is {list(mask.shape)}, "
                    f'the frame {list(video.ori_size)}'
                )
            write_label_map(folder / name, mask, video.palette)

    def read(self, video: PropagationVideo) -> dict[str, Any]:
        """Read the predictions of a video.

        Returns:
            ``masks``, a sequence that reads each when it is asked for; or ``points``
            and ``visible``.

        Raises:
            FileNotFoundError: They are not all there.
            ValueError: The joints cannot be read.
        """
        paths = self._paths(video)
        if not all(path.is_file() for path in paths):
            raise FileNotFoundError(
                f"'{self.folder(video)}' does not hold all predictions of video "
                f"'{video.video}'"
            )
        if video.points is None:
            return {'masks': LabelFiles(paths)}
        return _read_joints(*paths)


def partial_folder(out_dir: Path, video: str) -> Path:
    """Where a video's folder is filled before it is moved to its place.

    Directly below ``out_dir``, so that no process makes or removes a folder that others
    work in; by a hash, as names may have slashes and be as long as file systems allow.
    Always the same for a video: whoever does it next finds what a killed process left.
    """
    return out_dir / f'.partial-{hashlib.sha256(os.fsencode(video)).hexdigest()[:16]}'


def restart(
    out_dir: str | os.PathLike[str],
    run: Mapping[str, Any],
    videos: Iterable[str],
    files: str,
) -> None:
    """Throw predictions of another run away, and note the run that takes their place.

    All other files stay, also those in the folders of the videos.

    Args:
        out_dir: Folder of the predictions.
        run: See :class:`PredictionWriter`.
        videos: Names of all videos that may have predictions there.
        files: Pattern of the predictions' names, see :func:`prediction_files`.

    Raises:
        OSError: A prediction cannot be removed.
    """
    root = Path(out_dir)
    for video in videos:
        _remove_files(root / video, files)
        if partial_folder(root, video).is_dir():
            shutil.rmtree(partial_folder(root, video))
        for folder in (Path(video), *Path(video).parents[:-1]):
            with suppress(OSError):  # there is none, or something else in it
                (root / folder).rmdir()
    _note(root, run)


def _remove_files(folder: Path, files: str) -> None:
    """Remove the files of a pattern from a folder; of a link to one, the link alone."""
    if folder.is_symlink():
        folder.unlink()
    for path in list(folder.glob(files)):
        path.unlink()


def _read_joints(path: Path) -> dict[str, Any]:
    """Read ``points`` and ``visible``; raises LabelMapError where that fails."""
    try:
        with np.load(path) as poses:
            return {'points': poses['points'], 'visible': poses['visible']}
    except BROKEN as error:
        raise LabelMapError(path, f'cannot be read ({error})') from error


def _verify_picture(path: Path) -> None:
    """Compare the checksums in a PNG; raises LabelMapError where they do not fit."""
    try:
        with Image.open(path) as image:
            image.verify()
    # What Pillow raises on broken files depends on the damage.
    except Exception as error:
        raise LabelMapError(path, f'cannot be read ({error})') from error


def _note(out_dir: Path, run: Mapping[str, Any]) -> None:
    """Keep what the predictions of a folder depend on."""
    write_text(out_dir / RUN, json.dumps(run, indent=2, sort_keys=True) + '\n')


def _any_prediction(folder: Path) -> str | None:
    """Find a prediction, seen from the folder.

    Those that are partial do not count, nor those of a run with a folder of its own.
    """
    paths = (path.relative_to(folder) for place in PLACES for path in folder.glob(place))
    for path in paths:
        first = path.parts[0]
        if not first.startswith('.') and not (folder / first / RUN).is_file():
            return path.as_posix()
    return None


def _mask_names(video: PropagationVideo) -> dict[int, str]:
    """Files of the masks, by frame; some benchmarks want those of some frames only."""
    stems = {t: Path(frame).stem for t, frame in enumerate(video.frames)}
    written = video.meta.get('written')
    return {
        t: f'{stem}.png'
        for t, stem in stems.items()
        if written is None or stem in written
    }


def _check_length(video: PropagationVideo, number: int) -> None:
    """Raise ValueError unless there is a prediction for each frame."""
    if number != len(video.frames):
        raise ValueError(
            f"video '{video.video}' has {len(video.frames)} frames, the prediction "
            f'{number}'
        )


def _difference(noted: Any, wanted: dict[str, Any]) -> str:
    """Say in what two runs differ."""
    if not isinstance(noted, dict):
        return f'its {RUN} cannot be read'
    return '; '.join(
        f'{key}: {noted.get(key)!r} there, {wanted.get(key)!r} now'
        for key in sorted(noted.keys() | wanted.keys())
        if noted.get(key) != wanted.get(key)
    )
