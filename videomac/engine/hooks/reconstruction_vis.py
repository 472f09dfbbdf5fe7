"""Pictures of the same frames, reconstructed again and again during training."""

from __future__ import annotations

import logging
import os
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from torch import Tensor

from ...datasets.sources import UnreadableVideoError
from ...datasets.video_input import open_video, to_tensor
from ...registry import HOOKS
from ..unwrapped import unwrapped

__all__ = ['ReconstructionVisHook']

NAME = 'reconstruction'


@HOOKS.register_module()
class ReconstructionVisHook(Hook):
    """Draw reconstructions of fixed frames with fixed masks while the model trains.

    Each picture has a row for every frame: original, masked, prediction, and the
    prediction pasted between the visible patches. Frame 1 is the online network's,
    frame 2 the target's. There is one before the first step, one after every interval
    and one at the end. They go to all writers of the visualiser: to TensorBoard, and
    with ``LocalVisBackend`` to
    ``<work_dir>/<timestamp>/vis_data/vis_image/reconstruction_<iteration>.png``.

    Training is the same with and without this hook: it draws no random number of
    training, and the frames are cut about their middle to the size of the batches.

    Args:
        interval: Iterations between two pictures; epochs with ``by_epoch``.
        by_epoch: Whether ``interval`` counts epochs.
        clip: A video file or a folder of frames to take the samples from; None for the
            training data.
        num_samples: Number of samples, spread evenly over the clip or the data.
        seed: Seed of the masks.

    Raises:
        ValueError: ``interval`` or ``num_samples`` is below 1.
        FileNotFoundError: There is no such clip.
    """

    # After the target has moved, and before the logger writes.
    priority = 'NORMAL'

    def __init__(
        self,
        interval: int = 1000,
        by_epoch: bool = False,
        clip: str | None = None,
        num_samples: int = 2,
        seed: int = 1,
    ) -> None:
        for name, value in (('interval', interval), ('num_samples', num_samples)):
            if value < 1:
                raise ValueError(f'{name} must be at least 1, got {value!r}')
        if clip is not None and not os.path.exists(clip):
            raise FileNotFoundError(f"clip: there is no file or folder '{clip}'")
        self.interval = interval
        self.by_epoch = by_epoch
        self.clip = clip
        self.num_samples = num_samples
        self.seed = seed
        self._samples: list[dict[str, Any]] = []
        self._cut_to: tuple[int, int] | None = None
        self._drawn: int | None = None  # iteration of the last picture

    def before_train(self, runner: Any) -> None:
        """Read the frames that are shown.

        Raises:
            TypeError: The model reconstructs nothing, or the data set has no videos.
        """
        from ...models import VideoMAC

        model = unwrapped(runner.model)
        if not isinstance(model, VideoMAC):
            raise TypeError(
                'ReconstructionVisHook draws what a VideoMAC reconstructs; the model is '
                f'a {type(model).__name__}: remove the hook'
            )
        self._samples, self._cut_to, self._drawn = [], None, None
        if not is_main_process():
            return
        frames = 1 if model.target is None else 2
        try:
            if self.clip is not None:
                self._samples = self._from_clip(self.clip, frames)
            else:
                self._samples = self._from_data(runner.train_dataloader.dataset)
        except (UnreadableVideoError, ValueError) as error:
            # A picture is not worth a training.
            print_log(
                f'ReconstructionVisHook: no pictures in this run: {error}',
                'current',
                logging.WARNING,
            )

    def before_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Cut the frames to the size of the first batch, and draw the untrained model."""
        if not self._samples or self._cut_to is not None:
            return
        height, width = data_batch['inputs'][0].shape[-2:]
        self._cut((height, width))
        if runner.iter == 0:
            self._draw(runner, 0)

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Draw after every interval of iterations."""
        if not self.by_epoch and self.every_n_train_iters(runner, self.interval):
            self._draw(runner, runner.iter + 1)

    def after_train_epoch(self, runner: Any) -> None:
        """Draw after every interval of epochs."""
        if self.by_epoch and self.every_n_epochs(runner, self.interval):
            self._draw(runner, runner.iter)

    def after_train(self, runner: Any) -> None:
        """Draw the trained model."""
        self._draw(runner, runner.iter)

    def _draw(self, runner: Any, step: int) -> None:
        """Give a picture to the writers, unless the one of this iteration is there."""
        if self._cut_to is None or self._drawn == step:
            return
        from ...models.reconstruct import reconstruct
        from ...visualization import reconstruction_sheets

        self._drawn = step
        done = reconstruct(unwrapped(runner.model), self._samples, self.seed)
        runner.visualizer.add_image(NAME, reconstruction_sheets(done), step)

    def _cut(self, size: tuple[int, int]) -> None:
        """Resize the samples and cut their middle out."""
        from ...datasets.transforms import FramesResizedCenterCrop

        crop = FramesResizedCenterCrop(size)
        for sample in self._samples:
            cut = crop.transform({'frames': sample['inputs']})
            sample['inputs'] = cut['frames'].contiguous()
        self._cut_to = size

    def _from_clip(self, clip: str, frames: int) -> list[dict[str, Any]]:
        """Neighbouring frames of a clip."""
        video = open_video(clip)
        room = len(video) - frames + 1
        if room < 1:
            raise ValueError(f"the clip '{clip}' has fewer than {frames} frames")
        return [
            _sample(
                torch.stack([to_tensor(video[start + t]) for t in range(frames)]),
                video.name,
            )
            for start in self._spread(room)
        ]

    def _from_data(self, dataset: Any) -> list[dict[str, Any]]:
        """Samples of the training data without their augmentation."""
        inner = getattr(dataset, 'dataset', dataset)  # without what wraps it in a run
        if not hasattr(dataset, 'locate') or not hasattr(dataset, 'source'):
            raise TypeError(
                f'ReconstructionVisHook finds no videos in a {type(inner).__name__}: '
                "name some, ReconstructionVisHook(clip='clip.mp4')"
            )
        samples = []
        for index in self._spread(len(dataset)):
            video, indices = dataset.locate(index)
            pixels = torch.from_numpy(dataset.source.read(video, indices))
            samples.append(_sample(pixels.permute(0, 3, 1, 2), video.name))
        return samples

    def _spread(self, length: int) -> list[int]:
        """Numbers in the middle of equal parts of a range."""
        number = self.num_samples
        return [(2 * k + 1) * length // (2 * number) for k in range(number)]


def _sample(frames: Tensor, video: str) -> dict[str, Any]:
    """A sample as the data set packs it."""
    from mmpretrain.structures import DataSample

    return dict(inputs=frames, data_samples=DataSample(metainfo=dict(video=video)))
