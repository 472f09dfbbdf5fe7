"""Pictures of propagated labels: frames, clips, and a sheet of all sequences."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..datasets.label_maps import object_palette
from ..datasets.propagation_sample import PropagationVideo
from ..datasets.sources.images import natural_key, read_image
from ..evaluation.writer import partial_folder
from .clips import ClipWriter, check_fps
from .overlay import overlay_masks, overlay_pose
from .reconstruction import save_image
from .sequence_sheet import SequenceRow, sequence_sheet

__all__ = ['PropagationPainter']

SHEET = 'sheet.jpg'
CLIPS = ('.mp4', '.gif')
POSE_SIDE = 480  # pixels that the short side of a picture with a skeleton has at least


class PropagationPainter:
    """Paints the predictions of videos.

    ``<out_dir>/<video>/<frame>.jpg`` are the frames with their labels,
    ``<out_dir>/<video>.mp4`` (or ``.gif``, see :class:`ClipWriter`) is the same in
    motion, and ``<out_dir>/sheet.jpg`` shows three frames of each video.

    A video's clip is put in its place last: where it is, the frames are too, whenever
    the process is killed. Processes may share a folder if they paint different videos.
    Folders that hold anything but its pictures are never replaced.

    Args:
        out_dir: Folder of the pictures; made if it does not exist.
        palette: Colours of the ids, uint8 [256, 3]; by default the video's own, or else
            those of :func:`~videomac.datasets.label_maps.object_palette`.
        fps: Frames a second of the clips.

    Raises:
        ValueError: The palette has another shape, or ``fps`` is not positive.
    """

    def __init__(
        self,
        out_dir: str | os.PathLike[str],
        palette: NDArray[np.uint8] | None = None,
        fps: float = 12.0,
    ) -> None:
        if palette is not None and palette.shape != (256, 3):
            raise ValueError(f'the palette must be [256, 3], got {list(palette.shape)}')
        check_fps(fps)
        self.out_dir = Path(out_dir)
        self.palette = palette
        self.fps = fps
        self.out_dir.mkdir(parents=True, exist_ok=True)

    def clip(self, video: str) -> Path | None:
        """Clip of a video that has been painted, by its name; None if it has not."""
        paths = (self.out_dir / f'{video}{suffix}' for suffix in CLIPS)
        return next((path for path in paths if path.is_file()), None)

    def check(self, video: str, frames: str | os.PathLike[str] | None = None) -> None:
        """Check that to paint a video would replace nothing but older pictures of it.

        Args:
            video: Its name.
            frames: Folder of its own frames, which may be JPEGs as well; None for any.

        Raises:
            ValueError: There is something else in the place of its pictures.
        """
        final, clip = self.out_dir / video, self.clip(video)
        if not final.exists() and clip is None:
            return
        # A killed painter leaves the clip in the partial folder.
        begun = clip or partial_folder(self.out_dir, video).is_dir()
        # Hidden files are the file manager's.
        painted = final.is_dir() and all(
            p.suffix == '.jpg' or p.name.startswith('.') for p in final.iterdir()
        )
        own = frames is not None and final.resolve() == Path(frames).resolve()
        if own or not (begun and painted):
            raise ValueError(
                f"'{final if final.exists() else clip}' is in the place of the pictures "
                f"of video '{video}', and they are not the painter's: take another "
                'folder for the pictures, or move it away'
            )

    def shows(self, video: PropagationVideo, prediction: Mapping[str, Any]) -> bool:
        """Tell whether a video has been painted, and with this prediction.

        There must be its clip and pictures of all frames that are predicted, the last of
        which, where an error has grown most, is painted again and compared.

        Args:
            video: The video.
            prediction: See :meth:`paint`.

        Raises:
            UnreadableVideoError: The frame cannot be read.
            ValueError: The prediction does not fit the video.
        """
        order = _predicted_frames(video, prediction)
        folder = self.out_dir / video.video
        paths = [folder / f'{Path(video.frames[t]).stem}.jpg' for t in order]
        if self.clip(video.video) is None or not all(path.is_file() for path in paths):
            return False
        partial = partial_folder(self.out_dir, video.video)
        again = partial / paths[-1].name
        picture = self._paint_frame(video, prediction, order[-1], len(order) - 1)
        save_image(again, picture)
        same = again.read_bytes() == paths[-1].read_bytes()
        shutil.rmtree(partial)
        return same

    def paint(
        self,
        video: PropagationVideo,
        prediction: Mapping[str, Any],
        frames: Sequence[int] | None = None,
    ) -> None:
        """Paint a video, in the place of older pictures of it.

        Args:
            video: The video; its frames are read one at a time.
            prediction: ``masks``, uint8 ids [H0, W0] of all frames, or of those in
                ``video.meta['written']``; or ``points`` [T, 15, 2] in pixels from 0 and
                ``visible`` [T, 15].
            frames: Which of its frames to paint, in order; all by default.

        Raises:
            UnreadableVideoError: A frame cannot be read.
            ValueError: The prediction does not fit the video, the video has no such
                frame, or in its place is what the painter did not make.
        """
        order = _predicted_frames(video, prediction)
        chosen = list(order) if frames is None else list(frames)
        if not chosen or not set(chosen) <= set(order):
            raise ValueError(
                f"video '{video.video}' has predictions of {len(order)} frames between "
                f'{order[0]} and {order[-1]}; asked to paint frames {chosen}'
            )
        self.check(video.video, Path(video.frames[0]).parent)
        final = self.out_dir / video.video
        partial = partial_folder(self.out_dir, video.video)
        shutil.rmtree(partial, ignore_errors=True)  # what a killed process left
        clip = ClipWriter(partial / 'clip', len(chosen), self.fps)
        for t in chosen:
            picture = self._paint_frame(video, prediction, t, order.index(t))
            save_image(partial / 'frames' / f'{Path(video.frames[t]).stem}.jpg', picture)
            clip.add(picture)
        moving = clip.close()
        for suffix in CLIPS:
            Path(f'{final}{suffix}').unlink(missing_ok=True)
        shutil.rmtree(final, ignore_errors=True)
        final.parent.mkdir(parents=True, exist_ok=True)
        os.replace(partial / 'frames', final)
        os.replace(moving, f'{final}{moving.suffix}')
        partial.rmdir()

    def _paint_frame(
        self, video: PropagationVideo, prediction: Mapping[str, Any], t: int, place: int
    ) -> NDArray[np.uint8]:
        """Draw what is predicted for frame ``t``, at ``place`` of the prediction."""
        frame = read_image(str(video.frames[t]))
        if video.points is None:
            palette = object_palette() if video.palette is None else video.palette
            palette = palette if self.palette is None else self.palette
            try:
                return overlay_masks(frame, prediction['masks'][place], palette)
            except ValueError as error:
                raise ValueError(f"video '{video.video}', frame {t}: {error}") from error
        points = np.asarray(prediction['points'][place], np.float64)
        scale = -(-POSE_SIDE // min(frame.shape[:2]))
        if scale > 1:  # lines would hide a person of JHMDB's 320 x 240 pixels
            size = (frame.shape[1] * scale, frame.shape[0] * scale)
            larger = cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC)
            frame = np.asarray(larger, np.uint8)
            points = (points + 0.5) * scale - 0.5
        return overlay_pose(frame, points, prediction['visible'][place])

    def sheet(
        self, videos: Sequence[str], scores: Mapping[str, float], title: str = ''
    ) -> Path:
        """Arrange the first, middle and last frame of videos.

        Reads what is in the folder, so that videos of an interrupted run are there too,
        and pictures of other videos are not.

        Args:
            videos: Names of the videos.
            scores: Score of each video by its name; NaN where there is none. Sets the
                order. Videos that were not painted have empty places, painted ones
                without a score come last.
            title: What the scores are, for the heading.

        Returns:
            Path of the sheet.

        Raises:
            ValueError: None of the videos has a score or was painted.
        """
        painted = [name for name in videos if self.clip(name) is not None]
        names = list(dict.fromkeys([*scores, *painted]))
        if not names:
            raise ValueError(f"none of the videos has been painted in '{self.out_dir}'")
        rows = [
            SequenceRow(name, scores.get(name, math.nan), self._frames(name))
            for name in names
        ]
        path = self.out_dir / SHEET
        save_image(path, sequence_sheet(rows, title))
        return path

    def _frames(self, name: str) -> tuple[Path, ...]:
        """First, middle and last picture of a video; none if it was not painted."""
        if self.clip(name) is None:
            return ()
        found = (self.out_dir / name).glob('*.jpg')
        paths = sorted(found, key=lambda path: natural_key(path.name))
        return tuple(paths[i] for i in (0, (len(paths) - 1) // 2, -1)) if paths else ()


def _predicted_frames(
    video: PropagationVideo, prediction: Mapping[str, Any]
) -> list[int]:
    """Frames that the entries of a prediction belong to, in order.

    Raises:
        ValueError: The prediction is not of the video's length or kind.
    """
    kind = 'masks' if video.points is None else 'points'
    if kind not in prediction:
        raise ValueError(
            f"video '{video.video}' needs a prediction of {kind}, got {list(prediction)}"
        )
    count = len(prediction[kind])
    if count == len(video.frames):
        return list(range(count))
    written = video.meta.get('written') or ()
    order = [t for t, path in enumerate(video.frames) if Path(path).stem in written]
    if len(order) != count:
        raise ValueError(
            f"video '{video.video}' has {len(video.frames)} frames, the prediction "
            f'{count} {kind}'
        )
    return order
