"""The registered model of label propagation over whole videos."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.model import BaseDataPreprocessor, BaseModel
from numpy.typing import NDArray
from torch import Tensor, nn

from ...datasets.propagation_sample import PropagationVideo
from ...registry import MODELS
from .labels import decode_ids, encode_ids, present_ids
from .memory import FrameMemory
from .pose import PoseCoder
from .propagate import MEMORY_BUDGET
from .settings import PropagationSettings

__all__ = ['LabelPropagator']


@MODELS.register_module()
class LabelPropagator(BaseModel):
    """Propagates the labels of a video's first frame by the likeness of features.

    Every frame goes through the backbone once. Its cells take their labels from the
    most similar cells of frame 0 and of the frames before it; see
    :func:`~videomac.models.propagation.propagate`. Maps stay soft between frames.
    Objects may enter later: the frame that brings their labels becomes a reference of
    all that follow, as frame 0 is.

    Args:
        backbone: Config of a network that turns frames [B, 3, H, W] into one map of
            features [B, C, h, w], such as :class:`FeatureExtractor`.
        preset: Published procedure: ``'dino'``, ``'crw'`` or ``'vfs'``.
        pose: Fields of :class:`PoseCoder` that differ from the preset, for videos with
            joints.
        feature_dtype: Type in which features are kept, such as ``'float16'``; float32
            by default. Scores are float32 in any case.
        memory_budget: Bytes of working memory for a frame's propagation.
        init_cfg: Initialisation, as in mmengine.
        overrides: Fields of :class:`PropagationSettings` that differ from the preset.

    Raises:
        ValueError: If a setting is unknown or out of its range.
    """

    def __init__(
        self,
        backbone: dict[str, Any] | nn.Module,
        preset: str = 'dino',
        pose: dict[str, Any] | None = None,
        feature_dtype: str | None = None,
        memory_budget: int = MEMORY_BUDGET,
        init_cfg: dict[str, Any] | None = None,
        **overrides: Any,
    ) -> None:
        super().__init__(BaseDataPreprocessor(), init_cfg)
        self.settings = PropagationSettings.preset(preset, **overrides)
        self.pose = PoseCoder.preset(preset, **(pose or {}))
        self.memory_budget = memory_budget
        self.feature_dtype = getattr(torch, feature_dtype or 'float32', None)
        kinds = (torch.float32, torch.float16, torch.bfloat16)
        if self.feature_dtype not in kinds:
            raise ValueError(
                "feature_dtype must be 'float32', 'float16' or 'bfloat16', got "
                f'{feature_dtype!r}'
            )
        self.backbone: nn.Module = (
            backbone if isinstance(backbone, nn.Module) else MODELS.build(backbone)
        )

    def forward(
        self,
        inputs: Sequence[PropagationVideo],
        data_samples: Any = None,
        mode: str = 'predict',
    ) -> list[dict[str, Any]]:
        """Propagate the labels of videos; the only mode is ``'predict'``.

        Args:
            inputs: Videos.
            data_samples: Not used.
            mode: ``'predict'``.

        Returns:
            For each video a dict of ``video`` (its name) and either ``masks``: list of T
            id maps uint8 [H0, W0], the first being the annotation; or ``points``:
            float64 [T, J, 2], x and y in pixels of the original frame counted from 0,
            and ``visible``: bool [T, J], both of them for frame 0 as annotated.

        Raises:
            ValueError: If the mode is another.
        """
        if mode != 'predict':
            raise ValueError(f"LabelPropagator only has the mode 'predict', got {mode!r}")
        return [self.predict_video(video) for video in inputs]

    def predict_video(
        self, video: PropagationVideo, on_frame: Callable[[int], None] | None = None
    ) -> dict[str, Any]:
        """Propagate the labels of one video.

        Args:
            video: The video.
            on_frame: Called after every frame with the number of those that are done.

        Returns:
            What :meth:`forward` returns for it.

        Raises:
            TypeError: If the backbone returns no single map.
            ValueError: If the features are not finite.
        """
        done = []
        for labels in self.iter_labels(video):
            done.append(labels)
            if on_frame is not None:
                on_frame(len(done))
        if video.points is None:
            return dict(video=video.video, masks=done)
        points, visible = (np.stack(each) for each in zip(*done, strict=True))
        return dict(video=video.video, points=points, visible=visible)

    def iter_labels(self, video: PropagationVideo) -> Iterator[Any]:
        """Yield the labels of every frame: :meth:`iter_masks` or :meth:`iter_points`.

        Raises:
            TypeError: If the backbone returns no single map.
            ValueError: If the features are not finite.
        """
        return self.iter_masks(video) if video.points is None else self.iter_points(video)

    @torch.no_grad()
    def iter_masks(self, video: PropagationVideo) -> Iterator[NDArray[np.uint8]]:
        """Yield the id map uint8 [H0, W0] of every frame, the first as annotated.

        Raises:
            TypeError: If the backbone returns no single map.
            ValueError: If the video has joints, or the features are not finite.
        """
        if video.first_label is None:
            raise ValueError(f"video '{video.video}' has joints to propagate, not masks")
        objects = present_ids(video.first_label)
        memory = FrameMemory(self.settings, self.memory_budget)
        for frame, features, size in self._iter_features(video):
            cells = (features.shape[0], features.shape[1])
            if frame == 0:
                maps = encode_ids(
                    video.first_label,
                    objects,
                    cells,
                    size,
                    self.settings,
                    features.device,
                )
                memory.add(0, features, maps, annotated=True)
                yield video.first_label.copy()
                continue
            maps = memory.propagate(frame, features)
            ids = decode_ids(maps, objects, size, video.ori_size, self.settings)
            given = video.later_labels.get(frame)
            if given is not None:
                ids = np.where(given > 0, given, ids)
                new = [each for each in present_ids(given) if each not in objects]
                memory.add_objects(len(new))
                objects = objects + new
                drawn = encode_ids(
                    given, objects, cells, size, self.settings, features.device
                )
                # Where nothing enters the prediction stands.
                maps = F.pad(maps, (0, 0, 0, 0, 0, len(new))) * drawn[:1]
                maps[1:] += drawn[1:]
            memory.add(frame, features, maps, annotated=given is not None)
            yield ids

    @torch.no_grad()
    def iter_points(
        self, video: PropagationVideo
    ) -> Iterator[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
        """Yield joints float64 [J, 2] and their visibility bool [J] of every frame.

        Raises:
            TypeError: If the backbone returns no single map.
            ValueError: If the video has masks, or the features are not finite.
        """
        if video.points is None:
            raise ValueError(f"video '{video.video}' has masks to propagate, not joints")
        memory = FrameMemory(self.settings, self.memory_budget)
        for frame, features, _ in self._iter_features(video):
            if frame == 0:
                cells = (features.shape[0], features.shape[1])
                maps = self.pose.encode(
                    video.points, cells, video.ori_size, features.device
                )
                yield video.points.T.copy(), np.ones(video.points.shape[1], dtype=bool)
            else:
                maps = memory.propagate(frame, features)
                points, visible = self.pose.decode_maps(maps, video.ori_size)
                yield points.T, visible
            memory.add(frame, features, maps, annotated=frame == 0)

    def _iter_features(
        self, video: PropagationVideo
    ) -> Iterator[tuple[int, Tensor, tuple[int, int]]]:
        """Yield index, features [h, w, C] and size in pixels of every frame's input.

        Raises:
            TypeError: If the backbone returns no single map.
            ValueError: If its features are not finite.
        """
        self.backbone.eval()
        parameter = next(self.backbone.parameters(), torch.empty(0))
        for frame in range(len(video.inputs)):
            image = video.inputs[frame].to(parameter.device)
            features = self.backbone(image[None])
            if not isinstance(features, Tensor) or features.dim() != 4:
                raise TypeError(
                    'the backbone must return one map [B, C, h, w] of features of unit '
                    "length: wrap the network, dict(type='FeatureExtractor', network=...)"
                )
            features = features[0].permute(1, 2, 0).to(self.feature_dtype).contiguous()
            if not features.isfinite().all():
                raise ValueError(
                    f"the features of frame {frame} of video '{video.video}' are not "
                    'finite: check the checkpoint, or run the backbone in float32'
                )
            yield frame, features, (image.shape[1], image.shape[2])
