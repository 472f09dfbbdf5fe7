"""Masks or points of a first frame followed through a video."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from ..checkpoints.encoder_part import encoder_part
from ..checkpoints.weights import load_weights
from ..datasets.input_settings import InputSettings
from ..datasets.network_frames import network_size, network_tensor
from ..datasets.propagation_base import IMAGENET_MEAN, IMAGENET_STD
from ..datasets.propagation_sample import PropagationVideo
from ..datasets.video_input import Frames, Video, open_video
from ..models import VideoMAC
from ..models.propagation import FeatureExtractor, LabelPropagator
from ..models.propagation.settings import drop_old_preset
from ..models.random_weights import choose_weights
from ..utils.devices import usable_device
from ..utils.options import change_config
from ..utils.quiet import quiet_log
from ..utils.randomness import seeded
from .build import build_network
from .checkpoint import load_encoder
from .encoder import Encoder
from .first_labels import FirstMask, check_points, read_mask
from .progress import Cancel, Progress, Tracker
from .propagation_result import Propagation
from .zoo import model_config

__all__ = ['Propagator']

#: With what a config loads weights itself.
LOADING = ('pretrained', 'checkpoint_path', 'weights')


class _Inputs:
    """Frames as the network takes them, see :class:`FrameTensors`."""

    def __init__(self, frames: Frames, settings: InputSettings) -> None:
        self.frames = frames
        self.size = network_size(frames.size, settings.size, settings.multiple)
        self.mean = np.array(settings.mean, np.float32)
        self.std = np.array(settings.std, np.float32)
        self.round_resized = settings.round_resized

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Tensor:
        """Decode one frame, float32 [3, H, W]."""
        return network_tensor(
            self.frames[index], self.size, self.mean, self.std, self.round_resized
        )


class Propagator:
    """Follows the labels of a first frame by the likeness of features.

    Args:
        backbone: What makes the features: a checkpoint or a name of timm or mmpretrain
            (see :func:`load_encoder`), an :class:`Encoder`, a :class:`VideoMAC`, any
            network that returns maps [B, C, h, w], or the config of one.
        checkpoint: Weights for a backbone that is given by name or config.
        preset: Published procedure: ``'dino'``, ``'crw'`` or ``'vfs'``.
        stage: Stage of the features, from 0 or back from -1; several are concatenated.
        stride: Pixels to a cell of the features; None for the network's own.
        size: Short side of the network's input in pixels, or height and width; None for
            that of the frames. Masks and points are of the frames' own size in any case.
        multiple: Pixels, to a multiple of which the long side is floored.
        round_resized: Whether resized frames are rounded to 8 bits, as DINO's and VFS's
            code does; CRW's does not, whose ``preset`` leaves the input as it is, too.
        device: Where to compute [a GPU if there is one].
        settings: Whatever else :class:`LabelPropagator` takes: ``topk``, ``radius``
            (cells of the window, None for no window), ``window``, ``previous``,
            ``temperature``, ``feature_dtype``, ...

    Attributes:
        model: The :class:`LabelPropagator`.
        input: How frames become its input, an :class:`InputSettings`.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If the checkpoint or a setting does not fit, or there is no such
            device.
    """

    def __init__(
        self,
        backbone: str | os.PathLike[str] | nn.Module | Mapping[str, Any],
        checkpoint: str | os.PathLike[str] | None = None,
        *,
        preset: str = 'dino',
        stage: int | Sequence[int] = -1,
        stride: int | None = 8,
        size: int | Sequence[int] | None = 480,
        multiple: int = 64,
        round_resized: bool = True,
        device: str | torch.device | None = None,
        **settings: Any,
    ) -> None:
        usable_device(device)  # raises now rather than after loading
        network, (mean, std) = _network(backbone, checkpoint)
        try:
            with DefaultScope.overwrite_default_scope('videomac'):
                features = FeatureExtractor(
                    network, out_stage=stage, output_stride=stride
                )
        except ValueError as error:
            if 'output stride' not in str(error):
                raise
            hint = "stride=None leaves the network's own"
            raise ValueError(f'{error}. Give another stride; {hint}') from error
        model = LabelPropagator(features, preset, **settings)
        self._set(model, InputSettings(size, multiple, mean, std, round_resized), device)

    @classmethod
    def from_config(
        cls,
        name: str | os.PathLike[str],
        checkpoint: str | os.PathLike[str] | None = None,
        *,
        options: Mapping[str, Any] | None = None,
        device: str | torch.device | None = None,
    ) -> Propagator:
        """Take backbone and settings from a config of ``configs/propagation``.

        Args:
            name: Name of the config, see ``list_models('propagation/*')``.
            checkpoint: Weights of its encoder; None: those of the config, or random ones
                (the same as those of ``tools/test.py``); ``'none'``: random ones.
            options: Changes of the config, such as ``{'model.topk': 10}``; another
                ``model.preset`` replaces all values of the old one.
            device: Where to compute [a GPU if there is one].

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If there is no such config or device, it is of another kind, or
                an option would change nothing.
        """
        usable_device(device)
        config = model_config(name)
        changes = dict(options or {})
        if (config.get('model') or {}).get('type') != 'LabelPropagator':
            raise ValueError(
                f"'{name}' is no config of propagation; list_models('propagation/*') has "
                'them. For a pre-training run give its checkpoint, Propagator(path)'
            )
        drop_old_preset(config.model, changes)
        change_config(config, changes)
        model: Any = config.model
        if checkpoint is not None:
            weights = os.fspath(checkpoint)
            model['backbone'] = choose_weights(model['backbone'], weights)
        seed = config.get('randomness', {}).get('seed') or 0
        with seeded(seed), quiet_log():  # mmengine reports every parameter
            built = build_network(model)
        assert isinstance(built, LabelPropagator)
        self = cls.__new__(cls)
        self._set(built, InputSettings.of(config.test_dataloader.dataset), device)
        return self

    def _set(
        self,
        model: LabelPropagator,
        settings: InputSettings,
        device: str | torch.device | None,
    ) -> None:
        self.model = model.to(usable_device(device)).eval()
        self.input = settings

    def __call__(
        self,
        video: Video,
        first_mask: FirstMask | None = None,
        *,
        points: Any = None,
        later_masks: Mapping[int, FirstMask] | None = None,
        frames: slice | Sequence[int] | None = None,
        on_frame: Callable[[int, Any], None] | None = None,
        progress: bool | Callable[[Progress], None] = True,
        cancel: Cancel | None = None,
    ) -> Propagation:
        """Propagate masks or points.

        Args:
            video: Anything that :func:`~videomac.apis.open_video` takes, of two frames
                or more.
            first_mask: Objects of the first frame: a palette PNG, or ids [H, W] of which
                0 is background (void, 255, becomes background); or a mask of one object,
                bool or 0 and 255. Of the frames' size.
            points: Instead of a mask, x and y in pixels of points of the first frame,
                [J, 2].
            later_masks: Objects that enter later, by the number of the frame among those
                that are taken, from 1; the mask is 0 where none does.
            frames: Which frames to take, a slice or their numbers; None for all. The
                labels are those of the first that is taken.
            on_frame: Called with the number of a frame that is done (from 0) and its
                mask [H, W], or its points [J, 2] and their visibility [J].
            progress: True for a line on standard error, or a function that gets a
                :class:`~videomac.apis.Progress` after every frame.
            cancel: An event, or a function, that stops the run after a frame.

        Returns:
            The labels; of the frames that are done if it was cancelled.

        Raises:
            FileNotFoundError: If there is no such video or mask.
            ValueError: If the video or a mask cannot be read or do not fit each other,
                the mask is empty, or a point lies outside.
        """
        clip = open_video(video, frames)
        sample = self._sample(clip, first_mask, points, later_masks)
        tracker = Tracker(len(clip), progress, cancel)
        done: list[Any] = []
        for labels in self.model.iter_labels(sample):
            done.append(labels)
            tracker.step()
            if on_frame is not None:
                on_frame(len(done) - 1, labels)
            if tracker.cancelled:
                break
        stopped = len(done) < len(clip)
        if sample.points is None:
            masks = np.stack(done)
            return Propagation(
                clip, masks=masks, palette=sample.palette, cancelled=stopped
            )
        places, seen = (np.stack(each) for each in zip(*done, strict=True))
        return Propagation(clip, points=places, visible=seen, cancelled=stopped)

    def _sample(
        self,
        clip: Frames,
        first_mask: FirstMask | None,
        points: Any,
        later_masks: Mapping[int, FirstMask] | None,
    ) -> PropagationVideo:
        if (first_mask is None) == (points is None):
            raise ValueError('give either first_mask or points')
        if len(clip) < 2:
            raise ValueError(
                f"'{clip.name}' has {len(clip)} frame; to propagate labels it takes two "
                'at least'
            )
        labels: dict[str, Any] = {}
        if first_mask is not None:
            ids, palette = read_mask(first_mask, clip.size, 'first_mask')
            later = {
                frame: read_mask(mask, clip.size, f'later_masks[{frame}]')[0]
                for frame, mask in (later_masks or {}).items()
            }
            labels = dict(first_label=ids, palette=palette, later_labels=later)
        elif later_masks:
            raise ValueError('later_masks go with first_mask, not with points')
        else:
            labels = dict(points=check_points(points, clip.size).T.copy())
        inputs = _Inputs(clip, self.input)
        names = [f'{index:05d}' for index in range(len(clip))]
        return PropagationVideo(clip.name, names, inputs, clip.size, **labels)


def _network(
    backbone: str | os.PathLike[str] | nn.Module | Mapping[str, Any],
    checkpoint: str | os.PathLike[str] | None,
) -> tuple[nn.Module, tuple[Sequence[float], Sequence[float]]]:
    """A network of its own, and mean and std in [0, 1] of what it expects."""
    found: Any = backbone
    if isinstance(backbone, str | os.PathLike):
        found = load_encoder(backbone, pretrained=checkpoint is None)
    elif isinstance(backbone, Mapping):
        if checkpoint is None and not any(backbone.get(key) for key in LOADING):
            raise ValueError(
                'a backbone given by its config needs a checkpoint; for random weights '
                'build it yourself'
            )
        found = build_network(encoder_part(backbone))
    elif isinstance(backbone, nn.Module):
        if checkpoint is not None:
            raise ValueError('give a checkpoint with the name or config of a backbone')
        found = copy.deepcopy(backbone)  # stage and stride will change it
    pixels: tuple[Sequence[float], Sequence[float]] = (IMAGENET_MEAN, IMAGENET_STD)
    if isinstance(found, Encoder):
        mean, std = ((each / 255).flatten().tolist() for each in (found.mean, found.std))
        found, pixels = found.network, (mean, std)
    elif isinstance(found, VideoMAC):
        found = found.encoder
    if checkpoint is not None:
        load_weights(found, os.fspath(checkpoint))
    return found, pixels
