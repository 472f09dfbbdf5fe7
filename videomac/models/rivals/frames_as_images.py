"""Frames for algorithms of mmpretrain, which know images only."""

from __future__ import annotations

from typing import Any

from ...registry import MODELS
from ..data_preprocessor import FramesDataPreprocessor

__all__ = ['FramesAsImages']


@MODELS.register_module()
class FramesAsImages(FramesDataPreprocessor):
    """Every frame of a sample is an image of the batch.

    So that algorithms of single images (MAE, SparK of mmpretrain) train on the data
    sets of videos. The arguments are those of :class:`FramesDataPreprocessor`.
    """

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Normalise a batch and join samples and frames.

        Args:
            data: ``inputs``, uint8 frames [B, T, 3, H, W] in 0..255, or B tensors
                [T, 3, H, W], and maybe ``data_samples``.
            training: Without effect.

        Returns:
            ``inputs``, float32 [B * T, 3, H, W], the frames of a sample one after the
            other, and ``data_samples``, that of its sample for every frame.

        Raises:
            TypeError: The frames are not uint8.
            ValueError: The frames differ in shape or do not have the shape above.
        """
        done = super().forward(data, training)
        frames, samples = done['inputs'], done['data_samples']
        if samples is not None:
            samples = [each for each in samples for _ in range(frames.shape[1])]
        return dict(inputs=frames.flatten(0, 1), data_samples=samples)
