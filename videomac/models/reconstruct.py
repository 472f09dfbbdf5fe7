"""Reconstruct frames with a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.dataset import pseudo_collate
from mmpretrain.structures import DataSample

from ..utils.randomness import seeded
from .videomac import VideoMAC

__all__ = ['reconstruct']


def reconstruct(
    model: VideoMAC, samples: Sequence[dict[str, Any]], seed: int = 0
) -> list[DataSample]:
    """Mask frames at random and let a model fill them in again.

    The same seed gives the same masks. The model is back in the mode it was in, and
    torch's random state where it was, when the function returns.

    Args:
        model: On any device.
        samples: Items of :class:`~videomac.datasets.FramePairDataset`, each with
            ``inputs``, uint8 frames in 0..255 of shape [T, 3, H, W], and
            ``data_samples``; all of one shape.
        seed: Seed of the masks.

    Returns:
        For each sample a copy of its data sample with the pictures that
        :meth:`VideoMAC.predict` describes.

    Raises:
        ValueError: There is no sample, or they differ in shape.
    """
    if not samples:
        raise ValueError('there is no sample to reconstruct: give at least one')
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    try:
        with seeded(seed, device):
            batch = pseudo_collate(samples)
            batch['data_samples'] = [sample.clone() for sample in batch['data_samples']]
            return model.test_step(batch)
    finally:
        model.train(training)
