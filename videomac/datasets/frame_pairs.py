"""Samples of frames a fixed number of frames apart, from any source of videos."""

import os
from collections.abc import Callable, Sequence
from logging import INFO, WARNING
from typing import Any

import numpy as np
import torch
from mmengine.dataset import Compose
from mmengine.logging import print_log
from torch.utils.data import Dataset

from videomac.registry import DATASETS, TRANSFORMS

from .reading_now import ReadingNow
from .sources import EncodedFrames, FrameSource, UnreadableVideoError, VideoRecord
from .sources.diagnosis import printable

__all__ = ['FramePairDataset']


@DATASETS.register_module()
class FramePairDataset(Dataset[Any]):
    r"""Every frame pair :math:`(i, i + \text{gap})` of every video.

    In general a sample is ``num_frames`` frames ``i, i + gap, i + 2 gap, ...``; with
    ``num_frames=1`` every single frame is one. All that fit are samples, so a video of
    ``n`` frames has ``max(0, n - gap * (num_frames - 1))``. Videos too short for one
    are counted and left out.

    A sample that cannot be read is logged (each path once) and replaced by another one,
    which its number alone decides: a resumed training draws the same. Training stops
    when that happens too often. The counts are those of one process: every worker of a
    data loader keeps its own.

    Args:
        source: Where the frames come from, a :class:`FrameSource` or its config.
        pipeline: Transforms or their configs, applied in turn to a dict of ``frames``
            (uint8 tensor ``[T, 3, H, W]``, RGB, not always contiguous), ``video``
            (name) and ``frame_indices`` (list of T). If the first has an attribute
            ``takes_encoded`` that is true, its ``frames`` may be
            :class:`EncodedFrames`, of which it decodes what it needs.
        gap: Distance of the frames of a sample in frames, at least 1.
        num_frames: Number T of frames in a sample, at least 1.
        fraction: Share of the videos to use, in (0, 1]; at least one video is used.
            The choice is made before short videos are left out, so that it does not
            depend on ``gap``.
        seed: Seed of that choice.
        repeats: How many times the pipeline is applied to frames that were decoded
            once. Above 1 an item is a list of samples, which ``repeated_collate``
            puts into one batch.
        max_unreadable: Share of reads that may fail, in [0, 1], judged from
            ``min_draws`` reads on.
        min_draws: Number of reads before the share is judged: so few that a
            single failure weighs much should not stop a training.
        max_refetch: Number of failures in a row that always stops.

    Raises:
        TypeError: ``source`` is neither a source nor a config of one.
        ValueError: An argument is out of its range, or there is no video long enough.
    """

    def __init__(
        self,
        source: dict[str, Any] | FrameSource,
        pipeline: Sequence[dict[str, Any] | Callable[[Any], Any]],
        gap: int = 1,
        num_frames: int = 2,
        fraction: float = 1.0,
        seed: int = 0,
        repeats: int = 1,
        max_unreadable: float = 0.05,
        min_draws: int = 200,
        max_refetch: int = 20,
    ) -> None:
        counts = {'gap': gap, 'num_frames': num_frames, 'repeats': repeats}
        counts |= {'min_draws': min_draws, 'max_refetch': max_refetch}
        for name, value in counts.items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(
                    f'{name} must be an integer of at least 1, got {value!r}'
                )
        if not 0 < fraction <= 1:
            raise ValueError(f'fraction must be in (0, 1], got {fraction!r}')
        if not 0 <= max_unreadable <= 1:
            raise ValueError(f'max_unreadable must be in [0, 1], got {max_unreadable!r}')
        self.gap = gap
        self.num_frames = num_frames
        self.repeats = repeats
        self.max_unreadable = max_unreadable
        self.min_draws = min_draws
        self.max_refetch = max_refetch
        self._draws = 0
        self._failures = 0
        self._failed_paths: dict[str, None] = {}  # in order of appearance
        #: Which sample each worker is at; see :mod:`.watched_loader`.
        self.reading = ReadingNow()

        self.source = DATASETS.build(source) if isinstance(source, dict) else source
        if not isinstance(self.source, FrameSource):
            raise TypeError(
                'source must be a FrameSource or the config of one, e.g. '
                f"dict(type='FrameFolders', data_root=...), got {source!r}"
            )
        # mmengine's Compose would look names up in mmengine's registry.
        self.pipeline = Compose(
            [TRANSFORMS.build(t) if isinstance(t, dict) else t for t in pipeline]
        )
        first = next(iter(self.pipeline.transforms), None)
        self._takes_encoded = getattr(first, 'takes_encoded', False)
        self.videos = self._long_enough(_choose(self.source.scan(), fraction, seed))
        # Samples up to and including each video: finds the video of a sample.
        lengths = [video.num_frames - self._span for video in self.videos]
        self._ends = np.cumsum(lengths, dtype=np.int64)
        print_log(
            f'{type(self).__name__}: {len(self)} samples of {num_frames} frames at gap '
            f'{gap} from {len(self.videos)} videos',
            'current',
            INFO,
        )

    @property
    def _span(self) -> int:
        """Distance from the first to the last frame of a sample, in frames."""
        return self.gap * (self.num_frames - 1)

    def _long_enough(self, videos: list[VideoRecord]) -> list[VideoRecord]:
        """Leave out the videos that are too short for a sample, and say so.

        Raises:
            ValueError: None is left, or there was none.
        """
        if not videos:
            raise ValueError(
                f'{type(self.source).__name__} found no video: its scan() gave an empty '
                'list. Check where it looks for them'
            )
        short = [video for video in videos if video.num_frames <= self._span]
        if not short:
            return videos
        first = ', '.join(f'{printable(v.name)} ({v.num_frames})' for v in short[:5])
        report = (
            f'{len(short)} of {len(videos)} videos have fewer than the {self._span + 1} '
            f'frames that num_frames={self.num_frames} at gap={self.gap} needs '
            f'(first: {first})'
        )
        if len(short) == len(videos):
            raise ValueError(
                f'{report}; no video is left. Lower gap or use longer videos'
            )
        print_log(f'{report}; going on without them', 'current', WARNING)
        return [video for video in videos if video.num_frames > self._span]

    @property
    def metainfo(self) -> dict[str, Any]:
        """What the samples are: gap, num_frames and the number of videos."""
        return {
            'gap': self.gap,
            'num_frames': self.num_frames,
            'num_videos': len(self.videos),
        }

    @property
    def counts(self) -> dict[str, Any]:
        """Reads so far in this process.

        Returns:
            ``draws``, the number of samples read or tried; ``unreadable``, how many of
            these failed; ``paths``, the list of frames and files at fault.
        """
        return {
            'draws': self._draws,
            'unreadable': self._failures,
            'paths': list(self._failed_paths),
        }

    def __len__(self) -> int:
        return int(self._ends[-1])

    def locate(self, index: int) -> tuple[VideoRecord, list[int]]:
        """Find the frames of a sample.

        Args:
            index: Number of the sample in ``[-len(self), len(self))``.

        Returns:
            The video and the T frame numbers in it.

        Raises:
            IndexError: ``index`` is out of range.
        """
        size = len(self)
        if not -size <= index < size:
            raise IndexError(f'sample {index} of {size} does not exist')
        index = index % size
        video = int(np.searchsorted(self._ends, index, side='right'))
        start = index - (int(self._ends[video - 1]) if video else 0)
        return self.videos[video], [start + self.gap * t for t in range(self.num_frames)]

    def describe(self, index: int) -> str:
        """Name a sample and its files for a person to find."""
        video, indices = self.locate(index)
        where = self._where(video, indices)
        return printable(f"sample {index} of video '{video.name}' ({where})")

    def _where(self, video: VideoRecord, indices: list[int]) -> str:
        """Name the files of a sample, or the file and the frames in it."""
        if not video.frames:
            return f'{video.path}, frames {indices}'
        return ', '.join(os.path.join(video.path, video.frames[i]) for i in indices)

    def read(self, index: int) -> Any:
        """Read a sample; like ``self[index]``, but nothing takes its place.

        Args:
            index: Number of the sample.

        Returns:
            What the pipeline makes of the sample; a list if ``repeats`` is above 1.

        Raises:
            IndexError: ``index`` is out of range.
            UnreadableVideoError: The sample cannot be read.
        """
        video, indices = self.locate(index)
        self._draws += 1
        return self._make(video, indices)

    def __getitem__(self, index: int) -> Any:
        """Read a sample, or another one in its place if it cannot be read.

        Args:
            index: Number of the sample.

        Returns:
            What the pipeline makes of the sample; a list if ``repeats`` is above 1.

        Raises:
            IndexError: ``index`` is out of range.
            RuntimeError: Too many samples cannot be read.
        """
        for attempt in range(self.max_refetch):
            try:
                with self.reading.at(index):
                    return self.read(index)
            except UnreadableVideoError as error:
                self._note(error)
                index = self._replacement(index, attempt)
        raise self._give_up(f'{self.max_refetch} samples in a row cannot be read')

    def _make(self, video: VideoRecord, indices: list[int]) -> Any:
        """Read frames and apply the pipeline, ``repeats`` times if that is above 1."""
        encoded = self.source.fetch(video, indices) if self._takes_encoded else None
        frames: EncodedFrames | torch.Tensor
        if encoded is None:
            pixels = self.source.read(video, indices)
            frames = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        else:  # decoded once if the pipeline runs more than once
            frames = encoded if self.repeats == 1 else encoded.decode()
        results = {'frames': frames, 'video': video.name, 'frame_indices': indices}
        if self.repeats == 1:
            return self.pipeline(results)
        return [self.pipeline(dict(results)) for _ in range(self.repeats)]

    def _replacement(self, index: int, attempt: int) -> int:
        """Number of the sample to read for one that cannot be read.

        It is no draw of torch's generator, which would change the augmentations of all
        samples after it.
        """
        generator = np.random.default_rng((index % len(self), attempt))
        return int(generator.integers(len(self)))

    def _note(self, error: UnreadableVideoError) -> None:
        """Count a failure, log it if its path is new, and judge the share."""
        self._failures += 1
        if error.path not in self._failed_paths:
            self._failed_paths[error.path] = None
            print_log(f'drawing another sample: {error}', 'current', WARNING)
        if (
            self._draws >= self.min_draws
            and self._failures > self.max_unreadable * self._draws
        ):
            raise self._give_up(
                f'more than max_unreadable={self.max_unreadable:g} of the samples '
                'cannot be read'
            ) from error

    def _give_up(self, what: str) -> RuntimeError:
        """Make the error that ends the training."""
        first = ', '.join(printable(path) for path in list(self._failed_paths)[:5])
        return RuntimeError(
            f'{what}: {self._failures} of {self._draws} reads in this process failed, '
            f'for {len(self._failed_paths)} different paths (first: {first}). The '
            'warnings above say why. Repair or remove these files, or raise '
            'dataset.max_unreadable'
        )


def _choose(videos: list[VideoRecord], fraction: float, seed: int) -> list[VideoRecord]:
    """Choose ``fraction`` of the videos at random, at least one, keeping their order."""
    if fraction == 1:
        return videos
    number = max(1, round(fraction * len(videos)))
    chosen = np.random.default_rng(seed).permutation(len(videos))[:number]
    return [videos[i] for i in sorted(chosen)]
